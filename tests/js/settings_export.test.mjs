import assert from "node:assert/strict";
import { test } from "node:test";

import { exportAll, PACE_MS, RETRY_MS } from "../../frontend-uniapp/src/chat/settings_export.js";

/** Conversations on pages of two; what `refusals` names fails with these statuses first. */
function fakeApi(ids, refusals = {}) {
  const asked = [];
  const get = async (path) => {
    asked.push(path);
    const status = refusals[path]?.shift();
    if (status) throw Object.assign(new Error("no"), { status });
    const one = path.match(/^conversations\/(\w+)\/export\?format=json$/);
    if (one) return { format: "llmsite", title: one[1] };
    const at = Number(new URLSearchParams(path.split("?")[1]).get("cursor") ?? 0);
    return { items: ids.slice(at, at + 2).map((id) => ({ id })), next: at + 2 < ids.length ? String(at + 2) : null };
  };
  return { asked, get };
}

async function run(api) {
  const waits = [];
  const told = [];
  const all = await exportAll(api, async (ms) => void waits.push(ms), (done) => told.push(done));
  return { titles: all.map((one) => one.title), waits, told };
}

test("all pages, one conversation after another, at a pace", async () => {
  const { titles, waits, told } = await run(fakeApi(["a", "b", "c", "d", "e"]));
  assert.deepEqual(titles, ["a", "b", "c", "d", "e"]);
  assert.deepEqual(told, [1, 2, 3, 4, 5]);
  assert.deepEqual(waits, Array(5).fill(PACE_MS));
});

test("too many requests are waited out, also for a page of the list", async () => {
  const refusals = { "conversations/b/export?format=json": [429, 429], "conversations?limit=50&cursor=2": [429] };
  const { titles, waits } = await run(fakeApi(["a", "b", "c"], refusals));
  assert.deepEqual(titles, ["a", "b", "c"]);
  assert.equal(waits.filter((ms) => ms === RETRY_MS).length, 3);
});

test("what was deleted meanwhile is left out; any other refusal ends it", async () => {
  const path = "conversations/b/export?format=json";
  assert.deepEqual((await run(fakeApi(["a", "b", "c"], { [path]: [404] }))).titles, ["a", "c"]);
  await assert.rejects(run(fakeApi(["a", "b"], { [path]: [500] })), { status: 500 });
});

test("nobody has talked yet: an empty file", async () => {
  assert.deepEqual((await run(fakeApi([]))).titles, []);
});
