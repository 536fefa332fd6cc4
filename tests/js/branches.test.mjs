import assert from "node:assert/strict";
import { test } from "node:test";

import { branches, chosenParent, initialState, leaf, path, reduce } from "../../frontend-uniapp/src/chat/reducer.js";
import { forAll } from "./fakes.mjs";

const play = (state, events) => events.reduce(reduce, state);
const load = (page) => ({ type: "load", page });

function row(id, parent, role, content = id) {
  return {
    id,
    parent,
    role,
    content,
    thinking: "",
    thinking_s: null,
    run: null,
    running: false,
    finish_reason: "",
    error: "",
    model: "",
    prompt_tokens: null,
    completion_tokens: null,
    context_limit: null,
    tokens_per_second: null,
    rating: 0,
    comment: "",
  };
}

/** q has the answers a1 and a2; below a1 goes q2 - b. */
const PAGE = {
  id: "c",
  leaf: "a2",
  messages: [row("q", null, "user"), row("a1", "q", "assistant"), row("q2", "a1", "user"), row("b", "q2", "assistant"), row("a2", "q", "assistant")],
};

const ids = (state) => path(state).map((one) => one.id);

/** A random tree, parents before children, and one of its messages as the open leaf. */
function randomPage(random) {
  const messages = [row("m0", null, "user")];
  for (let i = 1; i < random.int(2, 40); i += 1) messages.push(row(`m${i}`, random.chance(0.05) ? null : random.pick(messages).id, random.pick(["user", "assistant"])));
  const parents = new Set(messages.map((one) => one.parent));
  const leaves = messages.filter((one) => !parents.has(one.id));
  return { id: "c", leaf: random.pick(leaves).id, messages };
}

test("the branch that the server has open is the one that is shown", () => {
  forAll(300, (random) => {
    const page = randomPage(random);
    const state = reduce(initialState(), load(page));
    const wanted = [];
    const byId = Object.fromEntries(page.messages.map((one) => [one.id, one]));
    for (let id = page.leaf; id; id = byId[id].parent) wanted.unshift(id);
    assert.deepEqual(ids(state), wanted);
  });
});

test("loading the same again gives the very same messages, and keeps what was chosen", () => {
  forAll(300, (random) => {
    const page = randomPage(random);
    const chosen = reduce(reduce(initialState(), load(page)), { type: "choose", message: random.pick(page.messages).id });
    const again = reduce(chosen, load(structuredClone(page)));
    for (const id of Object.keys(chosen.messages)) assert.equal(again.messages[id], chosen.messages[id]);
    assert.deepEqual(ids(again), ids(chosen));
  });
});

test("every message beside another knows its branches, in the order in which they were made", () => {
  forAll(300, (random) => {
    const page = randomPage(random);
    const found = branches(reduce(initialState(), load(page)));
    for (const { id, parent } of page.messages) {
      const wanted = page.messages.filter((one) => one.parent === parent).map((one) => one.id);
      assert.deepEqual(found.get(id) ?? [id], wanted);
    }
  });
});

test("another branch is shown down to its end, and what is said goes behind it", () => {
  let state = reduce(initialState(), load(PAGE));
  assert.deepEqual(ids(state), ["q", "a2"]);
  assert.equal(chosenParent(state), undefined);
  state = reduce(state, { type: "choose", message: "a1" });
  assert.deepEqual(ids(state), ["q", "a1", "q2", "b"]);
  assert.equal(chosenParent(state), "b");
  const item = { key: "k", conversation: "c", frame: { type: "message", message: "more", conversation: "c", parent: "b", key: "k" } };
  state = reduce(state, { type: "pending", item });
  assert.equal(chosenParent(state), undefined, "the next one follows the one that waits");
  state = reduce(state, { type: "queued", run: "r", conversation: "c", message: "a3", parent: "q3", key: "k", position: 0 });
  assert.deepEqual(ids(state), ["q", "a1", "q2", "b", "q3", "a3"]);
  assert.equal(state.leaves.c, "a3");
});

test("where another device has gone on, its branch is shown", () => {
  const state = play(initialState(), [load(PAGE), { type: "choose", message: "a1" }]);
  const moved = { ...PAGE, leaf: "n", messages: [...PAGE.messages, row("m", "a2", "user"), row("n", "m", "assistant")] };
  assert.deepEqual(ids(reduce(state, load(moved))), ["q", "a2", "m", "n"]);
});

test("what is not there cannot be chosen", () => {
  const state = reduce(initialState(), load(PAGE));
  assert.equal(reduce(state, { type: "choose", message: "nowhere" }), state);
});

test("a rating shows at once, and the server's own replaces it", () => {
  let state = play(initialState(), [load(PAGE), { type: "rated", message: "a2", rating: -1, comment: "wrong" }]);
  assert.deepEqual([leaf(state).rating, leaf(state).comment], [-1, "wrong"]);
  state = reduce(state, load(PAGE));
  assert.deepEqual([leaf(state).rating, leaf(state).comment], [-1, "wrong"], "the server has not heard of it yet");
  state = play(state, [{ type: "rated", message: "a2", rating: -1, comment: "wrong", stored: true }, load(PAGE)]);
  assert.deepEqual([leaf(state).rating, leaf(state).comment], [0, ""]);
  assert.equal(reduce(state, { type: "rated", message: "nowhere", rating: 1 }), state);
});

test("a run's figures become its message's", () => {
  const state = play(reduce(initialState(), { type: "open", conversation: "c" }), [
    { type: "start", run: "r", seq: 0, conversation: "c", message: "a", parent: "q", model: "m", context: { used: 7, limit: 100, dropped: 0 } },
    { type: "stream", run: "r", seq: 1, channel: "answer", content: "so" },
    {
      type: "end",
      run: "r",
      seq: 2,
      finish_reason: "stop",
      usage: { prompt_tokens: 7, completion_tokens: 3 },
      timing: { tokens_per_second: 12.5, thinking_s: 1.5 },
    },
  ]);
  const { model, promptTokens, completionTokens, contextLimit, tokensPerSecond, thinkingS } = state.messages.a;
  assert.deepEqual({ model, promptTokens, completionTokens, contextLimit, tokensPerSecond, thinkingS }, {
    model: "m",
    promptTokens: 7,
    completionTokens: 3,
    contextLimit: 100,
    tokensPerSecond: 12.5,
    thinkingS: 1.5,
  });
});
