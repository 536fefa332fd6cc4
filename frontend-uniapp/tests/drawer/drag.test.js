import { describe, expect, test } from "vitest";

import { Drag } from "../../src/drawer/drag.js";

/** A finger along these points, one each 16 ms; slower: `ms`. */
function along(points, { open = false, ms = 16 } = {}) {
  const drag = new Drag(320);
  const offsets = [];
  points.forEach(([x, y], place) => {
    if (place === 0) drag.start({ x, y }, 0, open);
    else offsets.push(drag.move({ x, y }, place * ms));
  });
  return { offsets, open: drag.end() };
}

describe("a finger on the list", () => {
  test("draws it in and pushes it away", () => {
    expect(along([[5, 300], [40, 302], [120, 305], [200, 306]])).toEqual({ offsets: [35, 115, 195], open: true }); // prettier-ignore
    expect(along([[300, 300], [250, 302], [100, 305]], { open: true })).toEqual({ offsets: [270, 120], open: false }); // prettier-ignore
  });

  test("slowly: the nearer side; fast: the direction", () => {
    expect(along([[0, 0], [100, 0], [101, 0]], { ms: 200 }).open).toBe(false); // prettier-ignore
    expect(along([[0, 0], [200, 0], [201, 0]], { ms: 200 }).open).toBe(true); // prettier-ignore
    expect(along([[0, 0], [250, 0], [200, 0]]).open).toBe(false); // prettier-ignore
  });

  test("stays within its bounds", () => {
    expect(along([[10, 0], [700, 0]]).offsets).toEqual([320]); // prettier-ignore
    expect(along([[300, 0], [0, 0], [310, 0]], { open: true }).offsets).toEqual([20, 320]); // prettier-ignore
  });

  test("a tap, scrolling, and a scrolling that turns sideways late are none", () => {
    expect(along([[5, 5]])).toEqual({ offsets: [], open: null });
    expect(along([[5, 5], [9, 8]])).toEqual({ offsets: [null], open: null }); // prettier-ignore
    expect(along([[5, 5], [8, 60], [200, 70]])).toEqual({ offsets: [null, null], open: null }); // prettier-ignore
  });
});
