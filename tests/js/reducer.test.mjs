import assert from "node:assert/strict";
import { test } from "node:test";

import { activeRun, initialState, leaf, path, reduce, unfinished } from "../../frontend-uniapp/src/chat/reducer.js";
import { forAll, makeLog, replayOf, seeded } from "./fakes.mjs";

const play = (state, frames) => frames.reduce(reduce, state);
const said = (content, key, conversation = "conv-1") => ({ type: "pending", item: { key, conversation, frame: { type: "message", message: content, conversation, key } } });
const inOrder = (log) => play(initialState(), [said("hi", `key-${log.run}`), ...replayOf(log, -1, { chance: () => false })]);

function known(state, log) {
  const run = state.runs[log.run];
  return run && run.seq >= 0 ? { thinking: run.thinking, answer: run.answer } : null;
}

test("whatever arrives, in whatever order, merged however: the text is that of the log up to seq", () => {
  forAll(500, (random) => {
    const log = makeLog(random);
    let state = reduce(initialState(), said("hi", `key-${log.run}`));
    for (let i = 0; i < 40; i += 1) {
      const frame = random.pick(replayOf(log, random.int(-1, log.frames.length - 2), random));
      const before = state.runs[log.run]?.seq ?? -1;
      state = reduce(state, frame);
      const run = state.runs[log.run];
      if (run?.seq >= 0) assert.deepEqual(known(state, log), log.texts[run.seq]);
      const next = frame.seq !== undefined && (frame.first ?? frame.seq) === before + 1;
      if (next && run) assert.equal(run.seq, frame.seq, "exactly the next frame is applied");
      const open = run && run.status !== "done" && frame.seq > before && !next;
      if (open) assert.ok(run.gap, "a frame that cannot be applied is reported");
    }
  });
});

test("any split, repeat, merge, drop and resume of a log gives the same state", () => {
  forAll(500, (random) => {
    const log = makeLog(random);
    let state = reduce(initialState(), said("hi", `key-${log.run}`));
    let inbox = replayOf(log, -1, random);
    for (let step = 0; state.runs[log.run]?.status !== "done"; step += 1) {
      assert.ok(step < 2000, "it comes to an end");
      const run = state.runs[log.run];
      if (!inbox.length || random.chance(0.15)) inbox = replayOf(log, run?.seq ?? -1, random);
      if (random.chance(0.1)) inbox = [...replayOf(log, random.int(-1, log.frames.length - 2), random), ...inbox];
      const frame = random.chance(0.1) ? inbox[0] : inbox.shift();
      state = reduce(state, frame);
      if (state.runs[log.run]?.gap) inbox = replayOf(log, state.runs[log.run].seq, random);
    }
    assert.deepEqual(state, inOrder(log));
  });
});

test("frames of several runs may be mixed in any way", () => {
  forAll(200, (random) => {
    const logs = ["a", "b", "c"].map((run) => makeLog(random, run, { conversation: `conv-${run}` }));
    const queues = logs.map((log) => replayOf(log, -1, random));
    let state = play(initialState(), logs.map((log) => said("hi", `key-${log.run}`, `conv-${log.run}`)));
    while (queues.some((queue) => queue.length)) state = reduce(state, random.pick(queues.filter((queue) => queue.length)).shift());
    for (const log of logs) {
      assert.deepEqual(known(state, log), log.texts.at(-1));
      assert.equal(path(state, `conv-${log.run}`).length, 2);
    }
    assert.deepEqual(unfinished(state), []);
  });
});

test("a frame that was seen returns the very same state", () => {
  const log = makeLog(seeded(3));
  const done = inOrder(log);
  const { conversation, message, parent } = log.frames[0];
  const late = [
    { type: "queued", run: log.run, conversation, message, parent, position: 3 },
    { type: "error", run: log.run, code: "decoding_failed", message: "It failed.", retryable: true },
  ];
  for (const frame of [...log.frames, ...late]) assert.equal(reduce(done, frame), done);
});

test("unknown events, and types that are names of object methods, change nothing", () => {
  const state = initialState();
  for (const type of ["pong", "someday", "constructor", "__proto__", "toString", undefined]) assert.equal(reduce(state, { type }), state);
});

test("a replay from the start resets the text when its start comes, and not before", () => {
  const log = makeLog(seeded(5));
  const done = inOrder(log);
  const text = known(done, log).answer;
  const asked = reduce(done, { type: "replay", run: log.run });
  assert.equal(asked.messages[`answer-${log.run}`].content, text);
  assert.deepEqual(play(asked, replayOf(log, -1, seeded(1))), done);
});

test("an end that comes too early is reported: the server lost its last moments", () => {
  const frames = [0, 1, 2, 3].map((seq) => (seq ? { type: "stream", run: "r", seq, channel: "answer", content: `${seq}` } : { type: "start", run: "r", seq, conversation: "c", message: "a", parent: "q", content: "" }));
  const seen = play(initialState(), frames);
  const crashed = reduce(seen, { type: "end", run: "r", seq: 3, finish_reason: "interrupted", usage: {}, timing: {} });
  assert.equal(crashed.runs.r.gap, "overlap");
  assert.equal(crashed.runs.r.status, "running");
});

test("what was said shows up as messages once it is stored, in a row", () => {
  let state = play(initialState(), [{ type: "open", conversation: "c" }, said("one", "k1", "c"), said("two", "k2", "c")]);
  assert.deepEqual(path(state), []);
  state = play(state, [
    { type: "queued", run: "r1", conversation: "c", message: "a1", parent: "q1", key: "k1", position: 0 },
    { type: "queued", run: "r2", conversation: "c", message: "a2", parent: "q2", key: "k2", position: 1, eta_s: 3 },
  ]);
  assert.deepEqual(path(state).map((one) => [one.role, one.content]), [["user", "one"], ["assistant", ""], ["user", "two"], ["assistant", ""]]);
  assert.deepEqual(state.pending, []);
  assert.equal(state.runs.r2.eta, 3);
  assert.equal(activeRun(state).id, "r1");
});

test("edit and regenerate show the new branch and keep the old", () => {
  const page = { id: "c", messages: [row("q", null, "user", "why"), row("a", "q", "assistant", "so")] };
  let state = reduce(initialState(), { type: "load", page });
  state = reduce(state, { type: "pending", item: { key: "k", conversation: "c", frame: { type: "edit", message: "q", content: "how", key: "k" } } });
  state = reduce(state, { type: "queued", run: "r", conversation: "c", message: "a2", parent: "q2", key: "k", position: 0 });
  assert.deepEqual(path(state).map((one) => one.content), ["how", ""]);
  assert.equal(state.messages.q2.parent, null);
  state = reduce(state, { type: "queued", run: "r3", conversation: "c", message: "a3", parent: "q2", key: "k3", position: 0 });
  assert.equal(leaf(state).id, "a3");
  assert.equal(state.messages.a.content, "so");
});

test("continue grows the same message, and an older run of it overwrites nothing", () => {
  const page = { id: "c", messages: [row("q", null, "user", "why"), { ...row("a", "q", "assistant", "be"), run: "old", finish_reason: "stopped" }] };
  const frames = [
    { type: "queued", run: "new", conversation: "c", message: "a", parent: "q", key: "k", position: 0 },
    { type: "start", run: "new", seq: 0, conversation: "c", message: "a", parent: "q", key: "k", content: "be", thinking: "" },
    { type: "stream", run: "new", seq: 1, channel: "answer", content: "cause" },
  ];
  let state = reduce(initialState(), { type: "load", page });
  assert.equal(state.messages.a.finishReason, "stopped");
  state = reduce(state, frames[0]);
  assert.equal(state.messages.a.content, "be");
  state = play(state, frames.slice(1));
  assert.equal(state.messages.a.content, "because");
  const old = [
    { type: "start", run: "old", seq: 0, conversation: "c", message: "a", parent: "q", content: "", thinking: "" },
    { type: "stream", run: "old", seq: 1, channel: "answer", content: "be" },
  ];
  state = play({ ...state, runs: { ...state.runs, old: { ...state.runs.new, id: "old", seq: -1 } } }, old);
  assert.equal(state.runs.old.answer, "be");
  assert.equal(state.messages.a.content, "because");
  assert.equal(state.messages.a.run, "new");
});

test("a page with a running answer makes a run that can be resumed from its start", () => {
  const page = { id: "c", messages: [row("q", null, "user", "why"), { ...row("a", "q", "assistant", "be"), run: "r", running: true }] };
  const state = reduce(initialState(), { type: "load", page });
  assert.deepEqual(unfinished(state).map((run) => [run.id, run.seq, run.answer]), [["r", -1, "be"]]);
  assert.equal(path(state).at(-1).status, "running");
  const live = reduce(state, { type: "start", run: "r", seq: 0, conversation: "c", message: "a", parent: "q", content: "bec", thinking: "" });
  assert.equal(reduce(live, { type: "load", page }).messages.a.content, "bec", "what is live stays");
});

test("a refusal keeps the text; one for now keeps it waiting", () => {
  const waiting = reduce(initialState(), said("hi", "k"));
  const later = reduce(waiting, { type: "error", code: "loading", message: "Loading.", retryable: true, key: "k" });
  assert.equal(later.pending[0].error.code, "loading");
  const never = reduce(later, { type: "error", code: "empty", message: "Empty.", retryable: false, key: "k" });
  assert.deepEqual(never.pending, []);
  assert.equal(never.refused[0].frame.message, "hi");
  assert.deepEqual(reduce(never, { type: "discard", key: "k" }).refused, []);
});

test("a system prompt shows where it was set, once", () => {
  const page = { id: "c", messages: [row("q", null, "user", "why"), row("a", "q", "assistant", "so")] };
  const notice = { type: "notice", code: "system_set", message: "Set.", conversation: "c", key: "k" };
  const state = play(initialState(), [{ type: "load", page }, said("/system Be brief.", "k", "c"), notice, notice]);
  assert.deepEqual(path(state).map((one) => one.role), ["user", "assistant", "system"]);
  assert.equal(leaf(state).content, "Be brief.");
  const real = { id: "c", messages: [...page.messages, row("s", "a", "system", "Be brief.")] };
  assert.deepEqual(path(reduce(state, { type: "load", page: real })).map((one) => one.id), ["q", "a", "s"]);
});

test("a run that the server does not know is over", () => {
  const page = { id: "c", messages: [row("q", null, "user", "why"), { ...row("a", "q", "assistant", ""), run: "r", running: true }] };
  const state = reduce(initialState(), { type: "load", page });
  const gone = reduce(state, { type: "error", code: "no_run", message: "There is no such answer.", run: "r" });
  assert.deepEqual(unfinished(gone), []);
  assert.equal(gone.messages.a.error, "There is no such answer.");
});

function row(id, parent, role, content) {
  return { id, parent, role, content, thinking: "", siblings: [id], run: null, running: false, finish_reason: "", error: "", model: "" };
}
