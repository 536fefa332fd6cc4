import { beforeEach, describe, expect, test, vi } from "vitest";

import { Preferences } from "../../src/chat/preferences.js";
import { LOADING_MS, SettingsState } from "../../src/chat/settings_state.js";
import { EN } from "../../src/chat/words_settings.js";

const BIG = { name: "big", default: true, state: "ready", remote: false, context_window: 100 };
const SMALL = { name: "small", state: "idle", remote: false, parameters: ["temperature"] };
const ANSWERS = { models: [BIG, SMALL], personas: [{ id: 7, name: "Pirate", options: {} }], me: { host: false, presets: { precise: { temperature: 0.2 } } } };

function memory() {
  const kept = new Map();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, text) => kept.set(name, text), removeItem: (name) => kept.delete(name), key: () => null, length: 0 };
}

function made(answers = ANSWERS) {
  const api = { get: vi.fn(async (path) => answers[path]), patch: vi.fn(async (_path, changes) => ({ id: "c", ...changes })) };
  const timers = { set: (call, ms) => setTimeout(call, ms), clear: (timer) => clearTimeout(timer) };
  const around = { api, preferences: new Preferences(memory(), "o"), timers, clock: () => Date.now(), words: () => EN, onChange: vi.fn(), onRefused: vi.fn() };
  return { api, state: new SettingsState(around) };
}

beforeEach(() => {
  vi.useFakeTimers();
});

describe("what answers next", () => {
  test("the default, until another is chosen; its name is said back when the choice is undone", async () => {
    const { state } = made();
    await state.refresh();
    expect(state.model.name).toBe("big");
    expect(state.optionsFor(null)).toEqual({});
    state.change({ model: "small", persona: 7, options: { temperature: 0.5, top_k: 3 } });
    // What the model does not understand stays behind.
    expect(state.optionsFor(null)).toEqual({ model: "small", persona: 7, options: { temperature: 0.5 } });
    state.turnTo({ id: "c" });
    expect(state.model.name).toBe("small");
    state.change({ model: "" });
    expect(state.optionsFor("c").model).toBe("big");
  });

  test("a model that is gone: said where a conversation has it, the default for a new one", async () => {
    const { state } = made();
    await state.refresh();
    state.turnTo({ id: "c", created_at: "2026", model: "gone" });
    expect([state.model.name, state.model.state, state.model.why]).toEqual(["gone", "failed", EN.pick.gone]);
    state.turnTo(null);
    expect(state.model.name).toBe("big");
  });

  test("presets come with who this is", async () => {
    const { state } = made();
    await state.refresh();
    expect(state.presets).toEqual(ANSWERS.me.presets);
    expect(state.host).toBe(false);
  });
});

describe("while a model loads", () => {
  test("it is looked at again, until nobody listens any more", async () => {
    const { api, state } = made({ ...ANSWERS, models: [{ ...BIG, state: "loading" }] });
    await state.refresh();
    const asked = api.get.mock.calls.length;
    await vi.advanceTimersByTimeAsync(3 * LOADING_MS);
    expect(api.get.mock.calls.length).toBe(asked + 3);
    state.close();
    await vi.advanceTimersByTimeAsync(3 * LOADING_MS);
    expect(api.get.mock.calls.length).toBe(asked + 3);
  });

  test("what cannot be asked stays as it was", async () => {
    const { api, state } = made();
    await state.refresh();
    api.get.mockRejectedValue(new Error("away"));
    await state.refresh();
    expect(state.models).toEqual(ANSWERS.models);
    expect(state.presets).toEqual(ANSWERS.me.presets);
  });
});

test("the context is counted in the window of the model that answers next", async () => {
  const { state } = made();
  await state.refresh();
  const messages = [{ role: "assistant", model: "small", promptTokens: 8, completionTokens: 2, contextLimit: 24, run: "r" }];
  expect(state.useOf(messages, {})).toEqual({ used: 10, limit: 100, dropped: 0 });
});
