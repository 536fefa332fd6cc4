import { describe, expect, it } from "vitest";

import { around, atEnd, back, changed, DRAWN, further, MOST, STEP } from "../../src/thread/windowing.js";

describe("which messages are drawn", () => {
  it("is all of a short conversation, and the end of a long one", () => {
    expect(atEnd(3)).toEqual({ from: 0, to: 3 });
    expect(atEnd(500)).toEqual({ from: 500 - DRAWN, to: 500 });
  });

  it("grows upwards to the first, and never over the most", () => {
    let drawn = atEnd(500);
    for (let turn = 0; turn < 400; turn += 1) {
      const next = further(drawn);
      expect(next.from).toBe(Math.max(0, drawn.from - STEP));
      expect(next.to - next.from).toBeLessThanOrEqual(MOST);
      drawn = next;
    }
    expect(drawn).toEqual({ from: 0, to: MOST });
    expect(further(drawn)).toBe(drawn);
  });

  it("goes back down to the last the same way", () => {
    let drawn = { from: 0, to: MOST };
    for (let turn = 0; turn < 400; turn += 1) drawn = back(drawn, 500);
    expect(drawn).toEqual({ from: 500 - MOST, to: 500 });
    expect(back(drawn, 500)).toBe(drawn);
  });

  it("is around a message that was looked for", () => {
    for (const place of [0, 3, 250, 497, 499]) {
      const drawn = around(place, 500);
      expect(drawn.from).toBeLessThanOrEqual(place);
      expect(drawn.to).toBeGreaterThan(place);
      expect(drawn.from).toBeGreaterThanOrEqual(0);
      expect(drawn.to).toBeLessThanOrEqual(500);
    }
    expect(around(1, 5)).toEqual({ from: 0, to: 5 });
  });

  it("takes new messages in where the end is drawn, and only there", () => {
    expect(changed({ from: 476, to: 500 }, 500, 502, true)).toEqual({ from: 476, to: 502 });
    expect(changed({ from: 476, to: 500 }, 500, 502, false)).toEqual({ from: 476, to: 502 });
    const up = { from: 100, to: 140 };
    expect(changed(up, 500, 502, false)).toBe(up);
  });

  it("drops what is far above once the reader is at the end", () => {
    expect(changed({ from: 420, to: 500 }, 500, 502, true)).toEqual({ from: 472, to: 502 });
    expect(changed({ from: 100, to: 140 }, 500, 500, true)).toEqual(atEnd(500));
  });

  it("stays inside a conversation that became shorter", () => {
    expect(changed({ from: 10, to: 20 }, 20, 5, true)).toEqual(atEnd(5));
    expect(changed({ from: 10, to: 20 }, 20, 5, false)).toEqual({ from: 4, to: 5 });
    expect(changed({ from: 0, to: 2 }, 2, 0, false)).toEqual({ from: 0, to: 0 });
  });
});
