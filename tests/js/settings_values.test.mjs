import assert from "node:assert/strict";
import { test } from "node:test";

import {
  effective,
  isChanged,
  NUMBERS,
  parseNumber,
  parseStops,
  positionOf,
  scaleOf,
  showStops,
  understood,
  understands,
  valueAt,
  withPreset,
  withValue,
} from "../../frontend-uniapp/src/chat/settings_values.js";
import { forAll } from "./fakes.mjs";

const PRESETS = {
  precise: { temperature: 0.2, top_p: 0.9, top_k: 20, repetition_penalty: 1.05 },
  creative: { temperature: 1, top_p: 0.95, top_k: 0, min_p: 0.05, repetition_penalty: 1.05 },
  tutorial: { max_tokens: 1024, temperature: 0.7, top_p: 0.8, top_k: 10, repetition_penalty: 1.2 },
};
const model = { name: "m", sampling: { temperature: 0.6, top_k: 40, max_tokens: 512 }, parameters: [], context_window: 3000 };
const layers = (options, persona = null) => ({ options, persona, model, presets: PRESETS });

test("the strongest layer that says something holds: here, its preset, the persona, the persona's preset, the model", () => {
  const persona = { options: { preset: "tutorial", temperature: 0.4 } };
  assert.deepEqual(effective("temperature", layers({ preset: "precise", temperature: 1.5 }, persona)), { value: 1.5, source: "here" });
  assert.deepEqual(effective("temperature", layers({ preset: "precise" }, persona)), { value: 0.2, source: "preset" });
  assert.deepEqual(effective("temperature", layers({}, persona)), { value: 0.4, source: "persona" });
  assert.deepEqual(effective("top_k", layers({}, persona)), { value: 10, source: "persona" });
  assert.deepEqual(effective("top_k", layers({})), { value: 40, source: "model" });
  assert.deepEqual(effective("min_p", layers({})), { value: undefined, source: "" });
});

test("zero and false are values", () => {
  assert.deepEqual(effective("top_k", layers({ top_k: 0 })), { value: 0, source: "here" });
  assert.deepEqual(effective("thinking", layers({ thinking: false })), { value: false, source: "here" });
});

test("a preset takes the place of what it sets and leaves the rest", () => {
  const before = { temperature: 1.9, min_p: 0.3, max_tokens: 99, seed: 7, stop: ["x"], preset: "creative" };
  assert.deepEqual(withPreset(before, "precise", PRESETS), { max_tokens: 99, seed: 7, stop: ["x"], preset: "precise" });
  assert.deepEqual(withPreset(before, "tutorial", PRESETS), { seed: 7, stop: ["x"], preset: "tutorial" });
});

test("a preset counts as changed once a value of one's own differs from it", () => {
  assert.equal(isChanged({ preset: "precise" }, PRESETS), false);
  assert.equal(isChanged({ preset: "precise", temperature: 0.2, seed: 1 }, PRESETS), false);
  assert.equal(isChanged({ preset: "precise", temperature: 0.3 }, PRESETS), true);
});

test("options are never changed in place", () => {
  const options = Object.freeze({ temperature: 1 });
  assert.deepEqual(withValue(options, "temperature", undefined), {});
  assert.deepEqual(withValue(options, "top_k", 0), { temperature: 1, top_k: 0 });
});

test("what a model does not understand is left out; a model that does not say understands all", () => {
  const narrow = { parameters: ["temperature"] };
  assert.deepEqual(understood({ temperature: 1, top_k: 3, preset: "precise" }, narrow), { temperature: 1, preset: "precise" });
  assert.deepEqual(understood({ temperature: 1, top_k: 3 }, { parameters: [] }), { temperature: 1, top_k: 3 });
  assert.equal(understands("seed", undefined), true);
});

test("numbers are taken as people type them, and refused with the reason", () => {
  const share = { type: "number", above: 0, max: 1 };
  const count = { type: "integer", min: 0, max: 1000 };
  assert.deepEqual(parseNumber(" 0,5 ", share), { value: 0.5 });
  assert.deepEqual(parseNumber("", share), {});
  assert.deepEqual(parseNumber("0", share), { wrong: "range" });
  assert.deepEqual(parseNumber("1.01", share), { wrong: "range" });
  assert.deepEqual(parseNumber("much", share), { wrong: "number" });
  assert.deepEqual(parseNumber("1e999", share), { wrong: "number" });
  assert.deepEqual(parseNumber("2.5", count), { wrong: "whole" });
  assert.deepEqual(parseNumber("0", count), { value: 0 });
});

test("every position of every slider gives a value that lies at that position", () => {
  for (const name of NUMBERS) {
    const scale = scaleOf(name, model);
    for (let position = scale.min; position <= scale.max + 1e-9; position += scale.step) {
      const value = valueAt(position, scale);
      assert.ok(Math.abs(positionOf(name, value, scale) - position) < 1e-6, `${name} at ${position}`);
    }
  }
});

test("a value between the positions of a list lies at the nearest", () => {
  const scale = scaleOf("top_k", model);
  assert.equal(valueAt(positionOf("top_k", 48, scale), scale), 50);
  assert.equal(valueAt(positionOf("top_k", 0, scale), scale), 0);
  assert.equal(positionOf("top_k", 0, scale), scale.max, "all of them lies where the most are kept");
});

test("no answer is longer than the context window", () => {
  assert.equal(scaleOf("max_tokens", model).values.at(-1), 3000);
  assert.equal(scaleOf("max_tokens", { context_window: null }).values.at(-1), 131_072);
  assert.equal(scaleOf("max_tokens", { context_window: 1_000_000 }).values.at(-1), 131_072);
});

test("stop texts are shown as they are typed", () => {
  assert.deepEqual(parseStops("END\n\n\\n\\n\nEND\n"), { value: ["END", "\n\n"] });
  assert.deepEqual(parseStops(" \n"), { value: [" "] });
  assert.deepEqual(parseStops("\n\n"), {});
  assert.deepEqual(parseStops("1\n2\n3\n4\n5\n6\n7\n8\n9"), { wrong: "stops" });
  assert.deepEqual(parseStops("x".repeat(65)), { wrong: "stopLength" });
  assert.deepEqual(parseStops("🙂".repeat(64)), { value: ["🙂".repeat(64)] });
  forAll(300, (random) => {
    const letters = ["a", "\n", "\t", "\\", "n", "t", "字", " "];
    const text = () => Array.from({ length: random.int(0, 9) }, () => random.pick(letters)).join("");
    const stops = Array.from({ length: random.int(1, 8) }, (_, at) => `${at}${text()}`);
    assert.deepEqual(parseStops(showStops(stops)), { value: stops });
  });
});
