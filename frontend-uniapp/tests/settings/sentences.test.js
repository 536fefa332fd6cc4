import { describe, expect, test } from "vitest";

import * as SHARED from "../../src/chat/words_settings.js";
import { momentOf, presetSentence, samplingValue, statusSentence, whyNotThink, wrongNumber } from "../../src/settings/sentences.js";
import * as OWN from "../../src/words/settings.js";

const EN = { ...SHARED.EN, ...OWN.EN };
const ZH = { ...SHARED.ZH, ...OWN.ZH };

/** Every leaf with its path. */
function leaves(value, path = "") {
  if (typeof value !== "object") return [[path, value]];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, `${path}.${name}`));
}

describe("the words of the settings", () => {
  test("both languages say the same things, and nobody is shouted at", () => {
    const chinese = Object.fromEntries(leaves(OWN.ZH));
    expect(Object.keys(chinese)).toEqual(leaves(OWN.EN).map(([path]) => path));
    for (const [path, text] of [...leaves(OWN.EN), ...leaves(OWN.ZH)]) expect(String(text), path).not.toMatch(/！|\w!(?!=)/);
  });
});

describe("what is said", () => {
  test("of a number out of range, with its ends", () => {
    expect(wrongNumber("range", { type: "number", min: 0, max: 2 }, EN)).toBe("This must lie between 0 and 2.");
    expect(wrongNumber("range", { type: "number", above: 0, max: 1 }, EN)).toBe("This must lie between > 0 and 1.");
    expect(wrongNumber("whole", { type: "integer" }, ZH)).toBe(ZH.set.wrong.whole);
  });
  test("of a model that cannot be told to think", () => {
    const model = { name: "m", state: "ready", remote: false };
    expect(whyNotThink({ ...model, thinking: true }, true, EN)).toBe("");
    expect(whyNotThink({ ...model, thinking: true }, false, EN)).toBe("m always thinks before it answers.");
    expect(whyNotThink(model, false, EN)).toBe("m cannot think before it answers.");
  });
  test("of a preset, with and without changes", () => {
    expect(presetSentence(undefined, false, EN)).toBe(EN.set.presetNone);
    expect(presetSentence("precise", false, EN)).toBe(EN.set.presetAbout.precise);
    expect(presetSentence("precise", true, EN)).toBe("Precise, with changes.");
    expect(presetSentence("unknown", false, EN)).toBe("");
  });
  test("of the sampling, in a few words", () => {
    expect(samplingValue({}, false, EN)).toBe("The model’s own");
    expect(samplingValue({ seed: 1 }, false, EN)).toBe("The model’s own, changed");
    expect(samplingValue({ preset: "creative", seed: 1 }, false, EN)).toBe("Creative");
    expect(samplingValue({ preset: "creative", top_k: 1 }, true, ZH)).toBe("创意，有改动");
  });
  test("of a change that is not stored yet, unless something else was said", () => {
    expect(statusSentence("saved", "", EN)).toBe("");
    expect(statusSentence("waiting", "", EN)).toBe(EN.set.waiting);
    expect(statusSentence("saving", "Not changed.", EN)).toBe("Not changed.");
  });
  test("of a moment, in either language", () => {
    const when = new Date(2026, 2, 4, 9, 5).toISOString();
    expect(momentOf(when, "en")).toBe("4 Mar 2026 09:05");
    expect(momentOf(when, "zh-Hans")).toBe("2026年3月4日 09:05");
  });
});
