/** Thumbs are shown at once, stored in their order, and outlive what the server said before it had heard of them. */

import assert from "node:assert/strict";
import test from "node:test";

import { Opened } from "../../frontend-uniapp/src/chat/opened.js";
import { Ratings } from "../../frontend-uniapp/src/chat/ratings.js";
import { initialState, reduce } from "../../frontend-uniapp/src/chat/reducer.js";

/** A server that answers when a test says so, and a session that is no more than its reducer. */
class Fake {
  connection = { status: "online" };
  has = { rating: 0, comment: "" };
  asked = [];
  waiting = [];
  api = {
    get: () => this.#request("get", () => this.page()),
    put: (route, body) => this.#request(`put ${body.rating} ${body.comment}`, () => (this.has = body)),
    delete: () => this.#request("delete", () => (this.has = { rating: 0, comment: "" })),
  };
  state = reduce(initialState(), { type: "load", page: this.page() });

  page() {
    return { id: "c", leaf: "a", messages: [{ id: "a", parent: null, role: "assistant", content: "Hello", ...this.has }] };
  }

  /** What it answers is what it has when it is asked; when that arrives is the test's to say. */
  #request(name, does) {
    this.asked.push(name);
    return new Promise((resolve, reject) => {
      const answer = name === "get" ? does() : null;
      this.waiting.push({ name, resolve: () => resolve(answer ?? does()), reject: () => reject(new Error("away")) });
    });
  }

  /** The first request of that name is answered. */
  async answer(name, how = "resolve") {
    await new Promise((resolve) => setTimeout(resolve));
    const place = this.waiting.findIndex((one) => one.name === name);
    this.waiting.splice(place, 1)[0][how]();
    await new Promise((resolve) => setTimeout(resolve));
  }

  rated(message, rating, comment, stored = false) {
    this.state = reduce(this.state, { type: "rated", message, rating, comment, stored });
  }

  load(page) {
    this.state = reduce(this.state, { type: "load", page });
  }

  get shown() {
    return this.state.messages.a.rating;
  }
}

function around() {
  const session = new Fake();
  const opened = new Opened({ session, api: session.api, conversations: {}, turned() {}, gone() {} });
  return { session, opened, ratings: new Ratings({ session, api: session.api }) };
}

test("what the server said before it heard of a thumb does not take it back", async () => {
  const { session, opened, ratings } = around();
  const fetched = opened.refresh();
  const told = ratings.rate("a", 1, "");
  await session.answer("get");
  assert.equal(session.shown, 1);
  await session.answer("put 1 ");
  await told;
  assert.equal(session.shown, 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  if (session.waiting.length) await session.answer("get");
  await fetched;
  assert.equal(session.shown, 1);
});

test("nor does it when it comes after the thumb is stored", async () => {
  const { session, opened, ratings } = around();
  const fetched = opened.refresh();
  const told = ratings.rate("a", 1, "");
  await session.answer("put 1 ");
  await told;
  await session.answer("get");
  assert.equal(session.shown, 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await session.answer("get");
  await fetched;
  assert.deepEqual(session.asked, ["get", "put 1 ", "get"]);
  assert.equal(session.shown, 1);
});

test("two in a row are stored in that order", async () => {
  const { session, ratings } = around();
  const both = [ratings.rate("a", 1, ""), ratings.rate("a", -1, "wrong")];
  await session.answer("put 1 ");
  assert.equal(session.shown, -1);
  await session.answer("put -1 wrong");
  await Promise.all(both);
  assert.deepEqual([session.shown, session.has.rating], [-1, -1]);
});

test("what could not be stored is taken back to what the server has", async () => {
  const { session, ratings } = around();
  const first = ratings.rate("a", 1, "good");
  const refused = assert.rejects(ratings.rate("a", 0, ""), /away/);
  await session.answer("put 1 good");
  await session.answer("delete", "reject");
  await Promise.all([first, refused]);
  assert.deepEqual([session.shown, session.state.messages.a.comment], [1, "good"]);
  assert.equal(session.state.rating.size, 0);
});
