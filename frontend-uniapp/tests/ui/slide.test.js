import { describe, expect, test } from "vitest";

import { positionAt, positionByKey, Slide } from "../../src/ui/slide.js";

const SCALE = { min: 0, max: 2, step: 0.05 };
const TRACK = { left: 100, width: 200 };
const at = (clientX, clientY = 0) => ({ clientX, clientY });

function finger() {
  const places = [];
  return { places, slide: new Slide((x) => places.push(x)) };
}

describe("where a finger is", () => {
  test("the nearest step, never beyond the ends", () => {
    expect(positionAt(100, TRACK, SCALE)).toBe(0);
    expect(positionAt(203, TRACK, SCALE)).toBe(1.05);
    expect(positionAt(20, TRACK, SCALE)).toBe(0);
    expect(positionAt(900, TRACK, SCALE)).toBe(2);
    expect(positionAt(150, { left: 100, width: 0 }, SCALE)).toBe(0);
  });
  test("keys", () => {
    expect(positionByKey("ArrowRight", 0.2, SCALE)).toBe(0.25);
    expect(positionByKey("ArrowDown", 0, SCALE)).toBe(0);
    expect(positionByKey("PageUp", 0.1, SCALE)).toBe(0.3);
    expect(positionByKey("Home", 1, SCALE)).toBe(0);
    expect(positionByKey("End", 1, SCALE)).toBe(2);
    expect(positionByKey("PageDown", 3, { min: 0, max: 4, step: 1 })).toBe(2);
    expect(positionByKey("a", 1, SCALE)).toBe(undefined);
  });
});

describe("what a finger means", () => {
  test("a tap sets", () => {
    const { places, slide } = finger();
    slide.begin(at(120));
    expect(slide.go(at(122, 3))).toBe(false);
    slide.end(at(122, 3));
    expect(places).toEqual([122]);
  });
  test("a move along it slides", () => {
    const { places, slide } = finger();
    slide.begin(at(120));
    slide.go(at(130, 2));
    slide.go(at(160, 40));
    slide.end(at(160, 40));
    expect(places).toEqual([130, 160]);
  });
  test("a move across it scrolls the page and sets nothing", () => {
    const { places, slide } = finger();
    slide.begin(at(120));
    expect(slide.go(at(121, 20))).toBe(false);
    slide.go(at(180, 30));
    slide.end(at(180, 30));
    expect(places).toEqual([]);
  });
  test("what a scroll has taken sets nothing", () => {
    const { places, slide } = finger();
    slide.begin(at(120));
    slide.end();
    expect(places).toEqual([]);
  });
  test("a mouse sets at once", () => {
    const { places, slide } = finger();
    slide.begin(at(120), true);
    slide.go(at(121));
    expect(places).toEqual([120, 121]);
  });
});
