import { describe, expect, test } from "vitest";

import { FakeClock, FakeServer, forAll, seeded, surroundings } from "../../../tests/js/fakes.mjs";
import { ApiError } from "../../src/chat/api.js";
import { Conversations } from "../../src/chat/conversations.js";
import { activeRun, path } from "../../src/chat/reducer.js";
import { BACKOFF_MS, SILENCE_MS, Session } from "../../src/chat/session.js";
import { KEEP_MS, Keeper } from "../../src/store/keeper.js";
import { QuotaStorage } from "./fakes.js";

const ROOM = { total: 100_000, each: 50_000 };

/** The app, as far as what it keeps is concerned. `kill` ends it without a word; its storage stays. */
class App {
  constructor(server, { storage = new QuotaStorage(), clock = new FakeClock(), seed = 7 } = {}) {
    this.server = server;
    this.storage = storage;
    this.clock = clock;
    this.world = surroundings({ storage, clock, random: seeded(seed) });
    const api = { get: (route) => this.#get(route), patch: unreachable, post: unreachable, delete: unreachable };
    this.keeper = new Keeper({ storage, owner: "me", room: ROOM, api, timers: clock.timers, clock: () => clock.now, refused: () => {} });
    this.conversations = new Conversations({ api: this.keeper.api });
    this.session = new Session({ ...this.world, storage: this.keeper.storage, outbox: "llmsite.me.outbox", onChange: () => this.keeper.noticed() });
    this.keeper.begin({ session: this.session, conversations: this.conversations });
    this.open = this.keeper.reopen();
    this.session.start();
  }

  async #get() {
    throw new ApiError("unreachable", "unreachable", 0);
  }

  get socket() {
    return this.session.socket;
  }

  connect() {
    this.socket.onSent = (frame) => this.server.take(this.socket, frame);
    this.socket.accept();
  }

  reconnect() {
    this.clock.pass(BACKOFF_MS.most);
    this.connect();
  }

  kill() {
    this.clock.timers.clear = () => {};
    for (const socket of this.world.sockets) socket.closed = true;
    return new App(this.server, { storage: this.storage, clock: new FakeClock(), seed: 11 });
  }

  get text() {
    return path(this.session.state).map((message) => message.content);
  }
}

const unreachable = () => Promise.reject(new ApiError("unreachable", "unreachable", 0));

/** An app in the middle of an answer, and how far that is. */
function inMidAnswer({ pieces = 5, random = { chance: () => false } } = {}) {
  const server = new FakeServer(random);
  const app = new App(server);
  app.connect();
  app.session.say("why?");
  for (let piece = 0; piece <= pieces; piece += 1) server.grow("run-1");
  app.clock.pass(KEEP_MS + 200);
  return { server, app };
}

describe("killed in mid-answer", () => {
  test("it shows its text so far at once, also without a connection, as an answer that goes on", () => {
    const { server, app } = inMidAnswer();
    const again = app.kill();
    expect(again.text).toEqual(["why?", server.text("run-1")]);
    expect(activeRun(again.session.state)).toMatchObject({ id: "run-1", seq: 5, status: "running" });
    expect(again.open.id).toBe(app.session.state.conversation);
  });

  test("it asks for what is behind that, and nothing twice", () => {
    const { server, app } = inMidAnswer();
    const again = app.kill();
    server.grow("run-1");
    again.connect();
    expect(again.socket.frames("resume")).toEqual([{ type: "resume", run: "run-1", after: 5 }]);
    while (!server.runs.get("run-1").done && server.runs.get("run-1").frames.length < 12) server.grow("run-1");
    expect(again.text).toEqual(["why?", server.text("run-1")]);
  });

  test("what came in the last moment before it was killed comes again", () => {
    const { server, app } = inMidAnswer();
    server.grow("run-1"); // arrives, and is not written down
    const again = app.kill();
    expect(activeRun(again.session.state).seq).toBe(5);
    again.connect();
    expect(again.text).toEqual(["why?", server.text("run-1")]);
  });

  test("going to the back writes everything down", () => {
    const { server, app } = inMidAnswer();
    server.grow("run-1");
    app.keeper.now();
    expect(activeRun(app.kill().session.state).seq).toBe(6);
  });

  test("the answer ended meanwhile", () => {
    const { server, app } = inMidAnswer();
    const again = app.kill();
    const run = server.runs.get("run-1");
    run.frames.push({ type: "end", run: "run-1", seq: run.frames.length, finish_reason: "stop", usage: { completion_tokens: 5 }, timing: {} });
    run.done = true;
    again.connect();
    expect(again.text).toEqual(["why?", server.text("run-1")]);
    expect(activeRun(again.session.state)).toBe(undefined);
    again.clock.pass(KEEP_MS + 200);
    const third = again.kill();
    expect(activeRun(third.session.state)).toBe(undefined);
    expect(third.text).toEqual(["why?", server.text("run-1")]);
  });

  test("the server was killed as well, and has less than was seen: its text holds", () => {
    const { server, app } = inMidAnswer();
    const again = app.kill();
    const run = server.runs.get("run-1");
    run.frames = run.frames.slice(0, 3);
    run.frames.push({ type: "end", run: "run-1", seq: 3, finish_reason: "interrupted", usage: { completion_tokens: 2 }, timing: {} });
    run.done = true;
    again.connect();
    again.clock.pass(SILENCE_MS);
    expect(again.text).toEqual(["why?", server.text("run-1")]);
    expect(path(again.session.state)[1].finishReason).toBe("interrupted");
  });

  test("what the server says of the conversation then does not shorten what was seen", () => {
    const { server, app } = inMidAnswer();
    const again = app.kill();
    const { conversation } = again.session.state;
    const row = { role: "assistant", thinking: "", error: "", finish_reason: "", rating: 0, comment: "" };
    const question = { ...row, id: "question-run-1", parent: null, role: "user", content: "why?", run: null, running: false };
    const answer = { ...row, id: "answer-run-1", parent: "question-run-1", content: "", run: "run-1", running: true };
    again.session.load({ id: conversation, leaf: "answer-run-1", messages: [question, answer] });
    expect(again.text).toEqual(["why?", server.text("run-1")]);
    again.connect();
    server.grow("run-1");
    expect(again.text).toEqual(["why?", server.text("run-1")]);
  });

  test("killed at any point, again and again: in the end it has exactly what the server has", { timeout: 60_000 }, () => {
    forAll(60, (chance, seed) => {
      const server = new FakeServer(chance);
      let app = new App(server, { seed });
      app.connect();
      app.session.say("one");
      for (let step = 0; step < 60; step += 1) {
        const act = chance.int(0, 9);
        if (act < 5) for (const id of server.runs.keys()) server.grow(id);
        else if (act === 5) app.clock.pass(chance.int(10, 1_500));
        else if (act === 6) {
          if (app.session.connection.status === "online") app.socket.cut();
        } else if (act === 7) {
          if (app.session.connection.status !== "online") app.reconnect();
        } else if (act === 8) app = app.kill();
        else if (!activeRun(app.session.state)) app.session.say(`say ${step}`);
      }
      if (app.session.connection.status !== "online") app.reconnect();
      for (const id of server.runs.keys()) while (!server.runs.get(id).done) server.grow(id);
      app.clock.pass(SILENCE_MS * 2);
      const conversation = app.session.state.conversation;
      for (const [id, run] of server.runs) {
        if (run.ids.conversation !== conversation) continue;
        const message = app.session.state.messages[run.ids.message];
        if (message) expect([message.content, message.status]).toEqual([server.text(id), "done"]);
      }
      expect(app.session.state.messages[`answer-run-1`]?.content).toBe(server.text("run-1"));
      expect(app.session.state.pending).toEqual([]);
    });
  });
});

describe("what is written down", () => {
  test("at most once a second while text comes, and not at all while nothing does", () => {
    const { server, app } = inMidAnswer();
    let writes = 0;
    const { setItem } = app.storage;
    app.storage.setItem = function (name, text) {
      writes += name.includes(".page.");
      return setItem.call(this, name, text);
    };
    for (let tenth = 0; tenth < 50; tenth += 1) {
      server.grow("run-1");
      app.clock.pass(100);
    }
    expect(writes).toBeGreaterThanOrEqual(4);
    expect(writes).toBeLessThanOrEqual(6);
    writes = 0;
    app.clock.pass(30_000);
    expect(writes).toBeLessThanOrEqual(1);
  });

  test("a message that was written without the computer is found again, with its conversation", () => {
    const app = new App(new FakeServer({ chance: () => false }));
    app.session.say("hello?");
    const again = app.kill();
    expect(again.session.state.conversation).toBe(app.session.state.conversation);
    expect(again.session.state.pending.map((item) => item.frame.message)).toEqual(["hello?"]);
    again.connect();
    expect(again.server.stored).toEqual(["hello?"]);
  });

  test("a new chat is a new chat after it was killed", () => {
    const { app } = inMidAnswer();
    app.session.show(null);
    expect(app.kill().session.state.conversation).toBe(null);
  });

  test("turning to another conversation writes the one before down", () => {
    const { server, app } = inMidAnswer();
    const { conversation } = app.session.state;
    server.grow("run-1");
    app.clock.pass(150); // it is known that something is to be written
    app.session.show(null);
    const again = app.kill();
    again.keeper.show(conversation);
    expect(again.text).toEqual(["why?", server.text("run-1")]);
  });

  test("the branch that was open here is open again", () => {
    const { app } = inMidAnswer();
    const { conversation } = app.session.state;
    const row = { role: "user", thinking: "", error: "", finish_reason: "", rating: 0, comment: "", run: null, running: false, parent: null };
    app.session.load({ id: conversation, leaf: "question-run-1", messages: [{ ...row, id: "question-run-1", content: "why?" }, { ...row, id: "other", content: "how?" }] });
    app.session.choose("other");
    app.clock.pass(KEEP_MS + 200);
    expect(app.kill().text).toEqual(["how?"]);
  });

  test("after it was closed nothing is written", () => {
    const { app } = inMidAnswer();
    app.keeper.close();
    app.storage.texts.clear();
    app.session.show(null);
    app.clock.pass(5_000);
    expect([...app.storage.texts.keys()]).toEqual([]);
  });

  test("looking for a word without the computer finds titles and messages that lie here", async () => {
    const { app } = inMidAnswer();
    const { conversation } = app.session.state;
    app.conversations.restore({ items: [{ id: conversation, title: "About the sky", pinned: false, preview: "", running: false, updated_at: "" }], next: null });
    expect(await app.keeper.search("SKY")).toMatchObject({ here: true, titles: [{ id: conversation }], items: [], next: null });
    const found = await app.keeper.search("why");
    expect(found.items.map((hit) => [hit.message, hit.snippet])).toEqual([
      ["question-run-1", [{ text: "why", hit: true }, { text: "?", hit: false }]], // prettier-ignore
    ]);
    expect((await app.keeper.search("absent")).items).toEqual([]);
  });
});
