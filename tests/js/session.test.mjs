import assert from "node:assert/strict";
import { test } from "node:test";

import { path } from "../../frontend-uniapp/src/chat/reducer.js";
import { BACKOFF_MS, BATCH_MS, CONNECT_TIMEOUT_MS, HEARTBEAT_MS, PONG_TIMEOUT_MS, POKE_TIMEOUT_MS, SILENCE_MS, Session, pause, socketUrl } from "../../frontend-uniapp/src/chat/session.js";
import { FakeClock, FakeServer, FakeStorage, forAll, seeded, surroundings } from "./fakes.mjs";

function online(world = surroundings()) {
  const session = new Session(world);
  session.start();
  world.last.accept();
  return { session, world, socket: world.last };
}

const ids = (run) => ({ run, conversation: "c", message: `a-${run}`, parent: `q-${run}` });
const queued = (run, key) => ({ type: "queued", ...ids(run), key, position: 0 });
const started = (run, key) => ({ type: "start", seq: 0, ...ids(run), key, model: "m", content: "", thinking: "" });
const piece = (run, seq, content = `${seq}`) => ({ type: "stream", run, seq, channel: "answer", content });
const ended = (run, seq, finish_reason = "stop") => ({ type: "end", run, seq, finish_reason, usage: { completion_tokens: seq }, timing: {} });

/** Cut the connection and let the next one open. */
function reconnect(world) {
  world.last.cut();
  world.time.pass(BACKOFF_MS.most);
  world.last.accept();
}

test("the address states version and language", () => {
  const { world } = online();
  assert.equal(world.last.url, "ws://host/ws/chat/?v=1&lang=en");
  assert.equal(socketUrl({ protocol: "https:", host: "pc:1" }), "wss://pc:1/ws/chat/");
});

test("another language takes another connection, on which what is being written goes on", () => {
  const { session, world, socket } = online();
  socket.give(started("r1"));
  session.speak("en");
  assert.equal(world.sockets.length, 1, "it is spoken already");
  session.speak("zh-hans");
  assert.equal(world.last.url, "ws://host/ws/chat/?v=1&lang=zh-hans");
  world.last.accept();
  assert.deepEqual(world.last.frames("resume").map(({ run, after }) => [run, after]), [["r1", 0]]);
  const closed = new Session(surroundings());
  closed.speak("zh-hans");
  assert.equal(closed.connection.status, "offline");
});

test("pauses double, stay below the most, and differ by chance", () => {
  assert.equal(pause(BACKOFF_MS, 0, () => 0), 250);
  assert.equal(pause(BACKOFF_MS, 3, () => 1), 4000);
  assert.equal(pause(BACKOFF_MS, 40, () => 1), BACKOFF_MS.most);
});

test("a lost connection comes back, sooner at first, and resumes every unfinished run behind its last frame", () => {
  const { session, world, socket } = online();
  for (const frame of [started("r1"), piece("r1", 1), started("r2"), ended("r2", 1), queued("r3")]) socket.give(frame);
  socket.cut();
  assert.equal(session.connection.status, "offline");
  world.time.pass(BACKOFF_MS.first);
  assert.equal(world.sockets.length, 2);
  world.last.accept();
  assert.deepEqual(world.last.frames("resume").map(({ run, after }) => [run, after]), [["r1", 1], ["r3", -1]]);
});

test("pauses grow while nothing answers, and begin anew once something did", () => {
  const { session, world, socket } = online();
  socket.cut();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    world.time.pass(session.connection.retryAt - world.time.now);
    world.last.cut();
  }
  assert.ok(session.connection.retryAt - world.time.now > 5000);
  world.time.pass(session.connection.retryAt - world.time.now);
  world.last.accept();
  world.last.give({ type: "pong" });
  world.last.cut();
  assert.ok(session.connection.retryAt - world.time.now <= BACKOFF_MS.first);
});

test("a connection that was let go has no say any more", () => {
  const { session, world, socket } = online();
  world.time.pass(PONG_TIMEOUT_MS + BACKOFF_MS.first);
  world.last.accept();
  const { onmessage, onclose } = socket;
  onmessage?.({ data: JSON.stringify(started("ghost")) });
  onclose?.({ code: 1006 });
  assert.equal(session.connection.status, "online");
  assert.deepEqual(session.state.runs, {});
});

test("a server that closes on purpose is not asked again at once", () => {
  const { world, socket } = online();
  socket.give({ type: "error", code: "not_paired", message: "Not paired.", retryable: false });
  socket.cut(4401);
  world.time.pass(BACKOFF_MS.most / 2 - 1);
  assert.equal(world.sockets.length, 1);
  world.time.pass(BACKOFF_MS.most);
  assert.equal(world.sockets.length, 2);
});

test("a connection that never opens is given up", () => {
  const world = surroundings();
  const session = new Session(world);
  session.start();
  world.time.pass(CONNECT_TIMEOUT_MS);
  assert.equal(session.connection.status, "offline");
  assert.ok(world.last.closed);
  world.time.pass(BACKOFF_MS.first);
  assert.equal(world.sockets.length, 2);
});

test("a socket that cannot even be made is tried again", () => {
  const world = surroundings();
  const make = world.socket;
  world.socket = () => {
    throw new Error("no network stack");
  };
  const session = new Session(world);
  session.start();
  assert.equal(session.connection.status, "offline");
  world.socket = make;
  world.time.pass(BACKOFF_MS.first);
  world.last.accept();
  assert.equal(session.connection.status, "online");
});

test("silence is broken by a ping, and no answer means a dead connection", () => {
  const { session, world, socket } = online();
  socket.give({ type: "pong" });
  world.time.pass(HEARTBEAT_MS);
  assert.equal(socket.frames("ping").length, 2);
  socket.give({ type: "pong" });
  world.time.pass(HEARTBEAT_MS + PONG_TIMEOUT_MS);
  assert.equal(socket.frames("ping").length, 3);
  assert.notEqual(session.connection.status, "online");
  assert.ok(socket.closed);
});

test("any frame counts as a sign of life", () => {
  const { session, world, socket } = online();
  socket.give(started("r"));
  for (let seq = 1; seq <= 10; seq += 1) {
    world.time.pass(HEARTBEAT_MS - 1);
    socket.give(piece("r", seq));
  }
  assert.equal(session.connection.status, "online");
  assert.equal(socket.frames("ping").length, 1);
});

test("a poke connects at once when offline, and finds a dead connection within seconds", () => {
  const { session, world, socket } = online();
  socket.give({ type: "pong" });
  session.poke();
  world.time.pass(POKE_TIMEOUT_MS);
  assert.equal(session.connection.status, "offline");
  session.poke();
  assert.equal(world.sockets.length, 2);
  world.last.accept();
  assert.equal(session.connection.status, "online");
});

test("what is said offline is stored, waits visibly, goes out once, in order, with its key", () => {
  const storage = new FakeStorage();
  const world = surroundings({ storage });
  const session = new Session(world);
  session.start();
  const keys = [session.say("one"), session.say("two")];
  assert.deepEqual(session.state.pending.map((item) => item.key), keys);
  assert.deepEqual(JSON.parse(storage.getItem("llmsite.outbox")).map((item) => item.frame.message), ["one", "two"]);
  world.last.accept();
  const socket = world.last;
  assert.deepEqual(socket.frames("message").map((frame) => frame.message), ["one"]);
  const conversation = socket.frames("message")[0].conversation;
  socket.give({ ...queued("r1", keys[0]), conversation });
  assert.deepEqual(socket.frames("message").map((frame) => [frame.message, frame.key]), [["one", keys[0]], ["two", keys[1]]]);
  socket.give({ ...queued("r2", keys[1]), conversation });
  assert.deepEqual(session.state.pending, []);
  assert.equal(storage.getItem("llmsite.outbox"), "[]");
  reconnect(world);
  assert.deepEqual(world.last.frames("message"), []);
});

test("it is stored before it is sent", () => {
  const { session, world, socket } = online();
  let stored;
  socket.onSent = () => {
    stored = JSON.parse(world.storage.getItem("llmsite.outbox")).length;
  };
  session.say("hi");
  assert.equal(stored, 1);
});

test("a send whose answer was lost goes out again with the same key", () => {
  const { session, world, socket } = online();
  const key = session.say("hi");
  assert.equal(socket.frames("message").length, 1);
  reconnect(world);
  assert.deepEqual(world.last.frames("message").map((frame) => frame.key), [key]);
  world.last.give(queued("r", key));
  reconnect(world);
  assert.deepEqual(world.last.frames("message"), []);
});

test("a killed app finds what it had said, and its new session sends it", () => {
  const storage = new FakeStorage();
  const first = surroundings({ storage });
  const killed = new Session(first);
  killed.start();
  const key = killed.say("hi");
  const { session, socket } = online(surroundings({ storage, random: seeded(8) }));
  assert.deepEqual(session.state.pending.map((item) => item.key), [key]);
  assert.deepEqual(socket.frames("message").map((frame) => frame.key), [key]);
});

test("what was said to one computer does not go to another at the same address", () => {
  const storage = new FakeStorage();
  const here = new Session(Object.assign(surroundings({ storage }), { outbox: "owner-1" }));
  here.start();
  here.say("for the first only");
  const there = online(Object.assign(surroundings({ storage }), { outbox: "owner-2" }));
  assert.deepEqual(there.session.state.pending, []);
});

test("what another tab has sent meanwhile waits here no longer", () => {
  const storage = new FakeStorage();
  const [a, b] = [1, 2].map((seed) => new Session(surroundings({ storage, random: seeded(seed) })));
  a.start();
  const key = a.say("hi");
  b.start();
  assert.equal(b.state.pending.length, 1);
  a.around.last.accept();
  a.around.last.give(queued("r", key));
  b.around.last.accept();
  assert.deepEqual(b.around.last.frames("message"), []);
  assert.deepEqual(b.state.pending, []);
});

test("what two tabs send at once shows in both", () => {
  const storage = new FakeStorage();
  const [a, b] = [1, 2].map((seed) => new Session(surroundings({ storage, random: seeded(seed) })));
  a.start();
  const key = a.say("hi");
  b.start();
  for (const tab of [a, b]) tab.around.last.accept();
  a.around.last.give(queued("r", key));
  b.say("elsewhere");
  b.around.last.give(queued("r", key));
  assert.deepEqual(path(b.state, "c").map((one) => one.content), ["hi", ""]);
});

test("storage that is full keeps nothing from being sent", () => {
  const storage = new FakeStorage();
  storage.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  const { session, socket } = online(surroundings({ storage }));
  const key = session.say("hi");
  assert.equal(socket.frames("message").length, 1);
  socket.give(queued("r", key));
  assert.deepEqual(session.state.pending, []);
});

test("storage that holds rubbish is empty storage", () => {
  const storage = new FakeStorage();
  for (const rubbish of ["{", "7", "null", '[{"x":1}, null]']) {
    storage.setItem("llmsite.outbox", rubbish);
    assert.deepEqual(online(surroundings({ storage })).session.state.pending, []);
  }
});

test("refused for now: sent again after a pause, longer each time; refused for good: never", () => {
  const { session, world, socket } = online();
  const key = session.say("hi");
  const refuse = (retryable) => socket.give({ type: "error", code: "loading", message: "Loading.", retryable, key });
  refuse(true);
  assert.equal(socket.frames("message").length, 1);
  world.time.pass(2000);
  assert.equal(socket.frames("message").length, 2);
  refuse(true);
  world.time.pass(1999);
  assert.equal(socket.frames("message").length, 2);
  world.time.pass(2001);
  assert.equal(socket.frames("message").length, 3);
  refuse(false);
  world.time.pass(60_000);
  assert.equal(socket.frames("message").length, 3);
  assert.equal(session.state.refused[0].frame.message, "hi");
  assert.equal(world.storage.getItem("llmsite.outbox"), "[]");
});

test("too many messages: kept, and sent again by itself when the server said that it would take it, not before", () => {
  const { session, world, socket } = online();
  const key = session.say("one too many");
  socket.give({ type: "error", code: "too_many_messages", message: "Too many.", retryable: true, retry_after_s: 27, key });
  world.time.pass(26_999);
  assert.equal(socket.frames("message").length, 1);
  assert.match(world.storage.getItem("llmsite.outbox"), /one too many/);
  world.time.pass(1);
  assert.deepEqual(socket.frames("message").map((frame) => [frame.message, frame.key]), [["one too many", key], ["one too many", key]]);
});

test("let go for sending too much: the next connection waits its longest pause, and nothing is lost", () => {
  const { session, world } = online();
  session.say("still here");
  world.last.cut(4429);
  assert.ok(session.connection.retryAt - world.time.now > 5000);
  world.time.pass(BACKOFF_MS.most);
  world.last.accept();
  assert.deepEqual(world.last.frames("message").map((frame) => frame.message), ["still here"]);
});

test("a message that was refused for now holds back what follows it in its conversation only", () => {
  const { session, world, socket } = online();
  session.show("c1");
  const key = session.say("one");
  session.say("two");
  socket.give({ type: "error", code: "too_fast", message: "Too fast.", retryable: true, key });
  session.show("c2");
  session.say("elsewhere");
  assert.deepEqual(socket.frames("message").map((frame) => frame.message), ["one", "elsewhere"]);
  world.time.pass(2000);
  assert.deepEqual(socket.frames("message").map((frame) => frame.message), ["one", "elsewhere", "one"]);
});

test("what was not sent yet can be taken back", () => {
  const world = surroundings();
  const session = new Session(world);
  session.start();
  session.discard(session.say("oh no"));
  world.last.accept();
  assert.deepEqual(world.last.frames("message"), []);
  assert.deepEqual(session.state.pending, []);
});

test("a stop without a connection is carried out as soon as there is one", () => {
  const { session, world, socket } = online();
  socket.give(started("r"));
  socket.cut();
  session.stop("r");
  world.time.pass(BACKOFF_MS.first);
  world.last.accept();
  assert.deepEqual(world.last.frames("stop").map((frame) => frame.run), ["r"]);
  world.last.give(ended("r", 1, "stopped"));
  reconnect(world);
  assert.deepEqual(world.last.frames("stop"), []);
});

test("a gap is asked for once, and a server that cannot cut there is asked for everything", () => {
  const { session, socket } = online();
  for (const frame of [started("r"), piece("r", 1), piece("r", 4), piece("r", 5)]) socket.give(frame);
  assert.deepEqual(socket.frames("resume").map((frame) => frame.after), [1]);
  socket.give({ ...piece("r", 5, "12345"), first: 1 });
  assert.deepEqual(socket.frames("resume").map((frame) => frame.after), [1, -1]);
  for (const frame of [started("r"), { ...piece("r", 5, "12345"), first: 1 }, ended("r", 6)]) socket.give(frame);
  assert.equal(session.state.runs.r.answer, "12345");
  assert.equal(session.state.runs.r.status, "done");
  assert.equal(socket.frames("resume").length, 2);
});

test("after a crash the server's text counts, although more was seen", () => {
  const { session, world, socket } = online();
  for (const frame of [started("r"), piece("r", 1), piece("r", 2), piece("r", 3)]) socket.give(frame);
  reconnect(world);
  world.last.give(ended("r", 3, "interrupted"));
  assert.deepEqual(world.last.frames("resume").map((frame) => frame.after), [3, -1]);
  for (const frame of [started("r"), piece("r", 1), piece("r", 2), ended("r", 3, "interrupted")]) world.last.give(frame);
  assert.deepEqual([session.state.runs.r.answer, session.state.runs.r.finishReason], ["12", "interrupted"]);
});

test("a server that has nothing behind the last frame, and says nothing, is asked for everything", () => {
  const { session, world, socket } = online();
  for (const frame of [started("r"), piece("r", 1), piece("r", 2)]) socket.give(frame);
  reconnect(world);
  world.last.give({ type: "pong" });
  world.time.pass(SILENCE_MS);
  assert.deepEqual(world.last.frames("resume").map((frame) => frame.after), [2, -1]);
  assert.equal(session.state.runs.r.answer, "12", "the text stays until the new one comes");
});

test("streamed text reaches the listener in batches, everything else at once", () => {
  const { world, socket } = online();
  socket.give(started("r"));
  const before = world.changes;
  for (let seq = 1; seq <= 50; seq += 1) socket.give(piece("r", seq));
  assert.equal(world.changes, before);
  world.time.pass(BATCH_MS);
  assert.equal(world.changes, before + 1);
  socket.give(piece("r", 51));
  socket.give(ended("r", 52));
  assert.equal(world.changes, before + 2);
  world.time.pass(BATCH_MS);
  assert.equal(world.changes, before + 2);
});

test("text that is no frame harms nothing", () => {
  const { session, socket } = online();
  for (const data of ["", "{", "7", "null", '"x"', "[]", '{"type":"__proto__"}']) socket.onmessage({ data });
  assert.equal(session.connection.status, "online");
});

test("closing leaves no timer behind and opens no connection", () => {
  const { session, world, socket } = online();
  socket.give(started("r"));
  socket.give(piece("r", 1));
  session.close();
  assert.equal(world.time.count, 0);
  assert.ok(socket.closed);
});

test("on a network that drops connections, frames and answers: nothing lost, nothing twice, everything in order", () => {
  forAll(150, (random) => {
    const server = new FakeServer(random);
    const clock = new FakeClock();
    const storage = new FakeStorage();
    const world = surroundings({ clock, storage, random });
    const make = world.socket;
    world.socket = (url) => {
      const socket = make(url);
      socket.onSent = (frame) => server.take(socket, frame);
      return socket;
    };
    const session = new Session(world);
    session.show("c");
    session.start();
    const said = [];
    for (let step = 0; step < 60; step += 1) {
      const does = random.int(0, 6);
      if (does === 0 && said.length < 8) {
        said.push(`m${said.length}`);
        session.say(said.at(-1));
      }
      if (does === 1) world.last.cut();
      if (does === 2) world.last.closed = true; // dies without a word
      if (does === 3 && !world.last.open && !world.last.closed) world.last.accept();
      if (does === 4) session.poke();
      for (const id of server.runs.keys()) if (random.chance(0.5)) server.grow(id);
      clock.pass(random.int(1, 6000));
    }
    // The network is good again: two minutes are enough for everything.
    for (let second = 0; second < 120; second += 1) {
      if (!world.last.open && !world.last.closed) world.last.accept();
      for (const id of server.runs.keys()) server.grow(id);
      clock.pass(1000);
    }
    assert.deepEqual(server.stored, said);
    assert.deepEqual(session.state.pending, []);
    const shown = path(session.state, "c");
    assert.deepEqual(shown.filter((one) => one.role === "user").map((one) => one.content), said);
    for (const id of server.runs.keys()) {
      assert.equal(session.state.runs[id].status, "done");
      assert.equal(session.state.runs[id].answer, server.text(id));
    }
    session.close();
  });
});
