import assert from "node:assert/strict";
import { test } from "node:test";

import { Preferences } from "../../frontend-uniapp/src/chat/preferences.js";
import { Choices, FORGET_MS, RETRY_MS, SAVE_MS } from "../../frontend-uniapp/src/chat/settings_choices.js";
import { FakeClock, FakeStorage } from "./fakes.mjs";

/** localStorage with all that preferences use. */
class Storage extends FakeStorage {
  removeItem(name) {
    this.texts.delete(name);
  }
  key(place) {
    return [...this.texts.keys()][place] ?? null;
  }
  get length() {
    return this.texts.size;
  }
}

/** The computer: stores what it is asked to, refuses what the test says. */
class FakeApi {
  conversations = new Map();
  asked = [];
  /** Status of the next answers; 0: it cannot be reached. */
  refuses = null;

  add(id, fields = {}) {
    const meta = { id, created_at: "2026-01-01T00:00:00Z", options: {}, persona: null, model: "", ...fields };
    this.conversations.set(id, meta);
    return meta;
  }

  async patch(path, body) {
    this.asked.push([path, body]);
    await null;
    if (this.refuses !== null) throw Object.assign(new Error("It will not."), { status: this.refuses });
    const id = path.split("/")[1];
    if (!this.conversations.has(id)) throw Object.assign(new Error("There is none."), { status: 404 });
    return this.add(id, { ...this.conversations.get(id), ...body });
  }
}

/** Let all promises settle. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

function world({ storage = new Storage(), api = new FakeApi(), time = new FakeClock() } = {}) {
  const refused = [];
  const preferences = new Preferences(storage, "owner");
  const choices = new Choices({
    api,
    preferences,
    timers: time.timers,
    clock: () => time.now,
    onChange: () => {},
    onRefused: (sentence, id) => refused.push([sentence, id]),
  });
  const pass = async (ms) => {
    time.pass(ms);
    await settled();
  };
  return { storage, api, time, preferences, choices, refused, pass };
}

test("a change shows at once and is stored once, with the last value", async () => {
  const { api, choices, pass } = world();
  choices.load(api.add("c", { options: { seed: 1 } }));
  for (const temperature of [0.1, 0.2, 0.3]) choices.change("c", { options: { temperature } });
  assert.deepEqual(choices.of("c").options, { temperature: 0.3 });
  assert.equal(choices.status("c"), "saving");
  await pass(SAVE_MS);
  assert.deepEqual(api.asked, [["conversations/c", { options: { temperature: 0.3 } }]]);
  assert.equal(choices.status("c"), "saved");
  assert.deepEqual(choices.of("c").options, { temperature: 0.3 });
});

test("what is chosen once is stored at once, and a message that is faster takes it along", async () => {
  const { api, choices, pass } = world();
  choices.load(api.add("c"));
  choices.change("c", { model: "big" });
  assert.deepEqual(choices.along("c"), { model: "big" });
  await pass(0);
  assert.equal(api.conversations.get("c").model, "big");
  assert.deepEqual(choices.along("c"), {});
});

test("what changes while it is stored is stored behind it", async () => {
  const { api, choices, pass } = world();
  choices.load(api.add("c"));
  choices.change("c", { persona: 1 });
  const first = pass(0);
  choices.change("c", { persona: 2, model: "m" });
  await first;
  await pass(SAVE_MS);
  assert.equal(api.conversations.get("c").persona, 2);
  assert.equal(api.conversations.get("c").model, "m");
  assert.equal(choices.status("c"), "saved");
});

test("what the computer refuses is taken back, with its sentence", async () => {
  const { api, choices, pass, refused } = world();
  choices.load(api.add("c", { persona: 3 }));
  api.refuses = 422;
  choices.change("c", { persona: 9 });
  await pass(SAVE_MS);
  assert.equal(choices.of("c").persona, 3);
  assert.equal(choices.status("c"), "saved");
  assert.deepEqual(refused, [["It will not.", "c"]]);
  await pass(RETRY_MS * 3);
  assert.equal(api.asked.length, 1);
});

for (const status of [0, 401, 429, 500, 503]) {
  test(`what did not reach the computer (${status}) is kept and stored later`, async () => {
    const { api, choices, pass, refused } = world();
    choices.load(api.add("c"));
    api.refuses = status;
    choices.change("c", { persona: 4 });
    await pass(SAVE_MS);
    assert.equal(choices.status("c"), "waiting");
    assert.equal(choices.of("c").persona, 4);
    api.refuses = null;
    await pass(RETRY_MS);
    assert.equal(api.conversations.get("c").persona, 4);
    assert.equal(choices.status("c"), "saved");
    assert.deepEqual(refused, []);
  });
}

test("back online, it is stored at once", async () => {
  const { api, choices, pass } = world();
  choices.load(api.add("c"));
  api.refuses = 0;
  choices.change("c", { persona: 4 });
  await pass(SAVE_MS);
  api.refuses = null;
  choices.flush();
  await pass(0);
  assert.equal(api.conversations.get("c").persona, 4);
});

test("what waits outlives the page", async () => {
  const { api, choices, pass, storage } = world();
  choices.load(api.add("c"));
  api.refuses = 0;
  choices.change("c", { persona: 4 });
  await pass(SAVE_MS);
  api.refuses = null;
  const later = world({ storage, api });
  later.choices.flush();
  await later.pass(0);
  assert.equal(api.conversations.get("c").persona, 4);
});

test("an older page of the server does not overwrite what waits; a newer one says what another device chose", async () => {
  const { api, choices, pass } = world();
  choices.load(api.add("c"));
  choices.change("c", { persona: 4 });
  choices.load(api.conversations.get("c"));
  assert.equal(choices.of("c").persona, 4);
  await pass(SAVE_MS);
  choices.load({ ...api.conversations.get("c"), persona: 5 });
  assert.equal(choices.of("c").persona, 5);
});

test("a new conversation takes along what was chosen for it, and the computer stores its options once it has it", async () => {
  const { api, choices, pass } = world();
  choices.change(null, { options: { temperature: 0, seed: 3 } });
  choices.change(null, { persona: 7 });
  choices.change(null, { model: "big" });
  const chosen = { options: { temperature: 0, seed: 3 }, persona: 7, model: "big" };
  assert.deepEqual(choices.along(null), chosen);
  choices.begin("new");
  assert.deepEqual(choices.along("new"), chosen, "a second message, while the first waits");
  choices.flush();
  await pass(0);
  assert.equal(choices.status("new"), "waiting");
  assert.deepEqual(choices.of("new"), chosen);
  choices.load(api.add("new", { persona: 7, model: "big" }));
  assert.deepEqual(choices.along("new"), { options: chosen.options }, "the message left its options with itself");
  await pass(0);
  assert.deepEqual(choices.along("new"), {});
  assert.deepEqual(api.asked.at(-1), ["conversations/new", { options: chosen.options }]);
  assert.equal(choices.status("new"), "saved");
});

test("nothing chosen: nothing is asked of the computer", async () => {
  const { api, choices, pass } = world();
  choices.begin("new");
  choices.load(api.add("new"));
  await pass(SAVE_MS);
  assert.deepEqual(api.asked, []);
});

test("the next conversation starts with the same options and model, but with no seed and no persona", () => {
  const first = world();
  first.choices.change(null, { options: { temperature: 0.1, seed: 3 } });
  first.choices.change(null, { model: "big", persona: 7 });
  first.choices.begin("one");
  assert.deepEqual(first.choices.of(null), { options: { temperature: 0.1 }, persona: null, model: "big" });
  const later = world({ storage: first.storage });
  assert.deepEqual(later.choices.of(null), { options: { temperature: 0.1 }, persona: null, model: "big" });
  assert.deepEqual(later.choices.of("another"), { options: {}, persona: null, model: "" });
});

test("a conversation that never came to be is forgotten", async () => {
  const { choices, pass, preferences } = world();
  choices.change(null, { persona: 7 });
  choices.begin("lost");
  choices.flush();
  await pass(0);
  assert.ok(preferences.get("unsaved", {}).lost);
  await pass(FORGET_MS + 1);
  choices.flush();
  await pass(0);
  assert.deepEqual(preferences.get("unsaved", {}), {});
});

test("where storage is forbidden, choices live as long as the page", async () => {
  const forbidden = () => {
    throw new Error("forbidden");
  };
  const storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden, key: forbidden, length: 0 };
  const { api, choices, pass } = world({ storage });
  choices.load(api.add("c"));
  choices.change("c", { persona: 4 });
  assert.equal(choices.of("c").persona, 4);
  await pass(SAVE_MS);
  assert.equal(api.conversations.get("c").persona, 4);
  assert.equal(choices.status("c"), "saved");
});

test("clearing the browser removes what is this person's and nothing else", () => {
  const { storage, preferences } = world();
  preferences.set("size", "large");
  preferences.set("outbox", [{ key: "k", frame: {} }]);
  storage.setItem("llmsite.owner.draft.new", "hello");
  storage.setItem("llmsite.other.draft.new", "theirs");
  assert.equal(preferences.unsent, 1);
  preferences.forgetAll();
  assert.deepEqual([...storage.texts], [["llmsite.other.draft.new", "theirs"]]);
  assert.equal(preferences.get("size", "normal"), "normal");
});
