/** The open conversation is kept as the server has it; one that was just begun is not taken for one that was deleted. */

import assert from "node:assert/strict";
import test from "node:test";

import { Opened } from "../../frontend-uniapp/src/chat/opened.js";

function around(get, state) {
  const asked = [];
  const gone = [];
  const session = { state, connection: { status: "online" }, load: (page) => asked.push(`load ${page.id}`), show() {} };
  const api = { get: (path) => (asked.push(path), get(path)) };
  const opened = new Opened({ session, api, conversations: {}, turned() {}, gone: (id) => gone.push(id) });
  return { opened, session, asked, gone };
}

const stateOf = (more) => ({ conversation: "a", messages: {}, open: {}, leaves: {}, pending: [], runs: {}, ...more });
const missing = () => Promise.reject(Object.assign(new Error("gone"), { status: 404 }));

test("one that the server has not confirmed is not asked for", async () => {
  const { opened, asked, gone } = around(missing, stateOf());
  await opened.refresh();
  assert.deepEqual(asked, []);
  assert.deepEqual(gone, []);
});

test("deleted elsewhere: it is gone", async () => {
  const { opened, gone } = around(missing, stateOf({ leaves: { a: "m1" } }));
  await opened.refresh();
  assert.deepEqual(gone, ["a"]);
});

test("what was confirmed while it was asked for is not gone", async () => {
  const state = stateOf({ leaves: { a: "m1" } });
  const { opened, session, gone } = around(() => {
    session.state = stateOf({ leaves: { a: "m2" } });
    return missing();
  }, state);
  await opened.refresh();
  assert.deepEqual(gone, []);
});

test("what waits to be sent there is not gone", async () => {
  const { opened, gone } = around(missing, stateOf({ leaves: { a: "m1" }, pending: [{ key: "k", conversation: "a" }] }));
  await opened.refresh();
  assert.deepEqual(gone, []);
});

test("a conversation without messages is asked for, too", async () => {
  const { opened, asked } = around(() => Promise.resolve({ id: "a", messages: [] }), stateOf({ leaves: { a: null } }));
  await opened.refresh();
  assert.deepEqual(asked, ["conversations/a", "load a"]);
});
