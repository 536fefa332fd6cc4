import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversations, FORMAT, MAX_FILE_BYTES, PAGE, RETRY_MS, TRIES } from "../../frontend-uniapp/src/chat/conversations.js";
import { grouped, marked, plain } from "../../frontend-uniapp/src/chat/list_groups.js";
import { forAll } from "./fakes.mjs";

const at = (minutes) => new Date(Date.UTC(2026, 5, 15, 12) + minutes * 60_000).toISOString();
const row = (id, minutes = 0, more = {}) => {
  return { id, title: `title ${id}`, pinned: false, preview: "", running: false, updated_at: at(minutes), model: "", options: {}, ...more };
};
const page = (items, next = null) => ({ items, next });

class Refusal extends Error {
  constructor(status, code = "refused", message = "No.") {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** Every request waits until the test answers it. */
class FakeApi {
  asked = [];

  get = (path) => this.#ask("GET", path);
  post = (path, body) => this.#ask("POST", path, body);
  patch = (path, body) => this.#ask("PATCH", path, body);
  delete = (path) => this.#ask("DELETE", path);

  #ask(method, path, body) {
    return new Promise((answer, refuse) => this.asked.push({ method, path, body, answer, refuse }));
  }

  get lines() {
    return this.asked.map(({ method, path }) => `${method} ${path}`);
  }
}

/** Long enough for every promise that is ready. */
const settle = () => new Promise((done) => setImmediate(done));

function setUp(items = [row("a", 3), row("b", 2), row("c", 1)], next = null) {
  const api = new FakeApi();
  let changes = 0;
  const waits = [];
  const list = new Conversations({ api, onChange: () => (changes += 1), wait: async (ms) => void waits.push(ms) });
  list.load(page(items, next));
  return { api, list, waits, ids: () => list.items.map(({ id }) => id).join(""), changes: () => changes };
}

test("pinned ones come first, then the newest", () => {
  const { ids, list } = setUp([row("a", 1), row("b", 3), row("c", 2, { pinned: true }), row("d", 9, { pinned: true })]);
  assert.equal(ids(), "dcba");
  assert.equal(list.find("b").title, "title b");
  assert.equal(list.find(null), undefined);
});

test("the next pages are asked for one at a time, until there are no more", async () => {
  const { api, list, ids } = setUp([row("a", 3)], "cursor 1");
  const first = list.more();
  assert.equal(list.more(), first);
  assert.deepEqual(api.lines, [`GET conversations?limit=${PAGE}&cursor=cursor%201`]);
  api.asked[0].answer(page([row("b", 2), row("a", 3)], "cursor 2"));
  await first;
  assert.equal(ids(), "ab");
  const second = list.more();
  api.asked[1].answer(page([row("c", 1)]));
  await second;
  assert.equal(ids(), "abc");
  assert.equal(list.hasMore, false);
  await list.more();
  assert.equal(api.asked.length, 2);
});

test("a page that did not come can be asked for again", async () => {
  const { api, list, ids } = setUp([row("a", 3)], "more");
  const failed = list.more();
  api.asked[0].refuse(new Refusal(0));
  await assert.rejects(failed, /No\./);
  const again = list.more();
  api.asked[1].answer(page([row("b")]));
  await again;
  assert.equal(ids(), "ab");
});

test("a new title shows at once, and is taken back when it is refused", async () => {
  const { api, list } = setUp();
  const renamed = list.rename("b", "new");
  assert.equal(list.find("b").title, "new");
  await settle();
  assert.deepEqual([api.lines, api.asked[0].body], [["PATCH conversations/b"], { title: "new" }]);
  api.asked[0].refuse(new Refusal(503));
  await assert.rejects(renamed);
  assert.equal(list.find("b").title, "title b");
});

test("what the server made of a change stays", async () => {
  const { api, list } = setUp();
  const renamed = list.rename("b", " new ");
  await settle();
  api.asked[0].answer(row("b", 2, { title: "new" }));
  await renamed;
  assert.equal(list.find("b").title, "new");
});

test("changes of one conversation go out in their order, those of another do not wait", async () => {
  const { api, list } = setUp();
  const done = [list.rename("a", "one"), list.rename("a", "two"), list.pin("b", true)];
  await settle();
  assert.deepEqual(api.lines, ["PATCH conversations/a", "PATCH conversations/b"]);
  assert.equal(list.find("a").title, "two");
  api.asked[0].answer(row("a", 3, { title: "one" }));
  await settle();
  assert.equal(list.find("a").title, "two");
  assert.deepEqual(api.asked[2].body, { title: "two" });
  api.asked[2].refuse(new Refusal(409));
  api.asked[1].answer(row("b", 2, { pinned: true }));
  const results = await Promise.allSettled(done);
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assert.equal(list.find("a").title, "one");
});

test("a pin moves its row, and back when refused", async () => {
  const { api, list, ids } = setUp();
  const pinned = list.pin("c", true);
  assert.equal(ids(), "cab");
  await settle();
  api.asked[0].refuse(new Refusal(0));
  await assert.rejects(pinned);
  assert.equal(ids(), "abc");
});

test("an answer that was asked for before a change and comes after it changes nothing", async () => {
  const { api, list } = setUp();
  const refreshed = list.refresh();
  const renamed = list.rename("a", "new");
  await settle();
  api.asked[1].answer(row("a", 3, { title: "new" }));
  await renamed;
  api.asked[0].answer(page([row("a", 3), row("b", 2), row("c", 1)]));
  await refreshed;
  assert.equal(list.find("a").title, "new");
});

test("deleted ones are away at once; the server's refusal brings them back", async () => {
  const { api, list, ids } = setUp();
  const { done } = list.remove("b");
  assert.equal(ids(), "ac");
  await settle();
  assert.deepEqual(api.lines, ["DELETE conversations/b"]);
  api.asked[0].refuse(new Refusal(0));
  await assert.rejects(done);
  assert.equal(ids(), "abc");
});

test("what is gone already is deleted", async () => {
  const { api, list, ids } = setUp();
  const { done } = list.remove("b");
  await settle();
  api.asked[0].refuse(new Refusal(404));
  await done;
  assert.equal(ids(), "ac");
});

test("a list that was on its way does not bring a deleted one back", async () => {
  const { api, list, ids } = setUp();
  const refreshed = list.refresh();
  list.remove("b");
  await settle();
  api.asked[1].answer(null);
  api.asked[0].answer(page([row("a", 3), row("b", 2), row("c", 1)]));
  await refreshed;
  assert.equal(ids(), "ac");
});

test("undo brings it back at once, and asks for it after the deletion", async () => {
  const { api, list, ids } = setUp();
  const { done, undo } = list.remove("b");
  const undone = undo();
  assert.equal(ids(), "abc");
  await settle();
  assert.deepEqual(api.lines, ["DELETE conversations/b"]);
  api.asked[0].answer(null);
  await done;
  await settle();
  assert.deepEqual(api.lines, ["DELETE conversations/b", "POST conversations/b/restore"]);
  api.asked[1].answer(row("b", 2));
  await undone;
  assert.equal(ids(), "abc");
});

test("undo works after the list was asked for meanwhile, and is taken back when refused", async () => {
  const { api, list, ids } = setUp();
  const { done, undo } = list.remove("b");
  await settle();
  api.asked[0].answer(null);
  await done;
  const refreshed = list.refresh();
  api.asked[1].answer(page([row("a", 3), row("c", 1)]));
  await refreshed;
  const undone = undo();
  assert.equal(ids(), "abc");
  await settle();
  api.asked[2].refuse(new Refusal(409));
  await assert.rejects(undone);
  assert.equal(ids(), "ac");
});

test("a list from before the undoing that comes after it takes nothing away", async () => {
  const { api, list, ids } = setUp();
  const { done, undo } = list.remove("b");
  await settle();
  api.asked[0].answer(null);
  await done;
  const refreshed = list.refresh();
  undo();
  await settle();
  api.asked[1].answer(page([row("a", 3), row("c", 1)]));
  await refreshed;
  assert.equal(ids(), "abc");
});

test("undoing what the server never deleted asks for nothing", async () => {
  const { api, list, ids } = setUp();
  const { done, undo } = list.remove("b");
  await settle();
  api.asked[0].refuse(new Refusal(0));
  await assert.rejects(done);
  await undo();
  assert.equal(api.asked.length, 1);
  assert.equal(ids(), "abc");
});

test("several deletions are undone each by itself, in any order", async () => {
  const { api, list, ids } = setUp();
  const removed = ["a", "b", "c"].map((id) => list.remove(id));
  assert.equal(ids(), "");
  await settle();
  for (const { answer } of api.asked) answer(null);
  await Promise.all(removed.map(({ done }) => done));
  const undone = [removed[2].undo(), removed[0].undo()];
  await settle();
  api.asked[3].answer(row("c", 1));
  api.asked[4].answer(row("a", 3));
  await Promise.all(undone);
  assert.equal(ids(), "ac");
});

test("what the newest page should hold and does not was deleted elsewhere; what lies behind it stays", async () => {
  const { api, list, ids } = setUp([row("a", 9), row("b", 8)], "more");
  const more = list.more();
  api.asked[0].answer(page([row("c", 2), row("d", 1)]));
  await more;
  const refreshed = list.refresh();
  api.asked[1].answer(page([row("e", 10), row("b", 8)], "more"));
  await refreshed;
  assert.equal(ids(), "ebcd");
  assert.equal(list.hasMore, false);
});

test("one conversation is asked for alone: new, changed or gone", async () => {
  const { api, list, ids } = setUp();
  for (const [id, items] of [["n", [row("n", 5)]], ["c", [row("c", 6, { title: "said" })]], ["a", []]]) {
    const refreshed = list.refresh(id);
    assert.equal(api.lines.at(-1), `GET conversations?id=${id}`);
    api.asked.at(-1).answer(page(items));
    await refreshed;
  }
  assert.equal(ids(), "cnb");
  assert.equal(list.find("c").title, "said");
});

test("the version changes with every change, and only then", () => {
  const { list, changes } = setUp();
  const { version } = list;
  assert.equal(changes(), 1);
  void list.items;
  assert.equal(list.version, version);
  list.rename("a", "x").catch(() => {});
  assert.notEqual(list.version, version);
  assert.equal(changes(), 2);
});

test("search: titles that hold it, also those that only this page knows, and messages; never what was deleted here", async () => {
  const { api, list } = setUp([row("a", 3, { title: "Red tea" }), row("b", 2), row("g", 1, { title: "gone tea" })]);
  list.remove("g");
  const found = list.search(" TEA ");
  await settle();
  const [titles, messages] = api.asked.filter(({ method }) => method === "GET");
  assert.deepEqual([titles.path, messages.path], [`conversations?q=%20TEA%20&limit=${PAGE}`, "search?q=%20TEA%20&limit=20"]);
  titles.answer(page([row("z", 1, { title: "Green tea" }), row("b", 2), row("g", 1, { title: "gone tea" })]));
  const hit = (conversation, message) => ({ conversation: { id: conversation, title: "" }, message, role: "user", created_at: at(0), snippet: [] });
  messages.answer(page([hit("b", "m1"), hit("g", "m2")], "next"));
  const { titles: named, items, next } = await found;
  assert.deepEqual([named.map(({ id }) => id), items.map(({ message }) => message), next], [["a", "z"], ["m1"], "next"]);
});

test("further results are messages only", async () => {
  const { api, list } = setUp();
  const found = list.search("title", "next");
  await settle();
  assert.deepEqual(api.lines, ["GET search?q=title&limit=20&cursor=next"]);
  api.asked[0].answer(page([]));
  assert.deepEqual(await found, { titles: [], items: [], next: null });
});

const fileOf = (name, text, size = text.length) => ({ name, size, text: async () => text });
const exported = (title) => ({ format: FORMAT, version: 1, title, messages: [] });

test("files that are none of ours are refused by name, the others are imported", async () => {
  const { api, list, ids } = setUp([]);
  const files = [
    fileOf("a.json", JSON.stringify(exported("A"))),
    fileOf("b.json", "{"),
    fileOf("c.json", JSON.stringify({ messages: [] })),
    fileOf("d.json", "null"),
    fileOf("e.json", "", MAX_FILE_BYTES + 1),
    fileOf("f.json", JSON.stringify(exported("F"))),
    { name: "folder", size: 0, text: () => Promise.reject(new TypeError("not a file")) },
  ];
  const importing = list.importFiles(files);
  await settle();
  api.asked[0].answer(row("a"));
  await settle();
  api.asked[1].refuse(new Refusal(422, "invalid", "title: expected text, got “1”."));
  const { imported, refused } = await importing;
  assert.deepEqual(imported.map(({ id }) => id), ["a"]);
  const said = ["b.json not_ours", "c.json not_ours", "d.json not_ours", "e.json too_big", "f.json invalid", "folder not_ours"];
  assert.deepEqual(refused.map(({ name, code }) => `${name} ${code}`), said);
  assert.equal(ids(), "a");
});

test("a file of all conversations is imported one by one; when the server says that it is too fast, it waits", async () => {
  const { api, list, waits } = setUp([]);
  const archive = fileOf("all.json", JSON.stringify({ exported_at: "now", conversations: [exported("one"), exported("two")] }));
  const importing = list.importFiles([archive]);
  await settle();
  api.asked[0].refuse(new Refusal(429, "too_many_requests"));
  await settle();
  api.asked[1].answer(row("a"));
  await settle();
  api.asked[2].refuse(new Refusal(413, "too_large"));
  const { imported, refused } = await importing;
  assert.deepEqual([imported.length, refused[0].name, waits], [1, "all.json, “two”", [RETRY_MS]]);
});

test("what is refused for today is not tried again, and nothing is tried for ever", async () => {
  const { api, list, waits } = setUp([]);
  const refuseAll = async (code) => {
    const importing = list.importFiles([fileOf("a.json", JSON.stringify(exported("A")))]);
    let done = false;
    importing.then(() => (done = true));
    while (!done) {
      await settle();
      api.asked.at(-1)?.refuse(new Refusal(429, code));
    }
    return importing;
  };
  assert.equal((await refuseAll("too_much_today")).refused.length, 1);
  assert.equal(waits.length, 0);
  assert.equal((await refuseAll("too_many_requests")).refused.length, 1);
  assert.equal(waits.length, TRIES - 1);
});

test("whatever order answers come in, the list ends as the server has it", async () => {
  await forAllAsync(60, async ({ int, pick, chance }) => {
    const { api, list } = setUp();
    const server = new Map(list.items.map((item) => [item.id, row(item.id, Date.parse(item.updated_at) / 60_000 - Date.parse(at(0)) / 60_000)]));
    const undos = [];
    const answerOne = async () => {
      const [asked] = api.asked.splice(int(0, api.asked.length - 1), 1);
      if (asked) carryOut(server, asked, chance(0.3));
      await settle();
    };
    for (let step = 0; step < 12; step += 1) {
      const id = pick(["a", "b", "c"]);
      const act = pick(["rename", "pin", "remove", "undo", "refresh", "one", "answer", "answer"]);
      if (act === "rename") list.rename(id, `t${step}`).catch(() => {});
      if (act === "pin") list.pin(id, chance(0.5)).catch(() => {});
      if (act === "remove" && list.find(id)) {
        const { done, undo } = list.remove(id);
        done.catch(() => {});
        undos.push(undo);
      }
      if (act === "undo") undos.pop()?.().catch(() => {});
      if (act === "refresh") list.refresh().catch(() => {});
      if (act === "one") list.refresh(id).catch(() => {});
      if (act === "answer") await answerOne();
    }
    while (api.asked.length) await answerOne();
    const last = list.refresh();
    await settle();
    while (api.asked.length) carryOut(server, api.asked.shift(), false);
    await last;
    const truth = [...server.values()].filter((item) => !item.deleted).map(({ id, title, pinned }) => `${id} ${title} ${pinned}`);
    assert.deepEqual(list.items.map(({ id, title, pinned }) => `${id} ${title} ${pinned}`).sort(), truth.sort());
  });
});

/** As the server would: it carries out a request when it answers it. */
function carryOut(server, { method, path, body, answer, refuse }, refused) {
  if (refused) return refuse(new Refusal(503));
  const id = path.match(/^conversations\/(\w+)/)?.[1];
  const item = server.get(id);
  const shown = () => page([...server.values()].filter((one) => !one.deleted).map((one) => ({ ...one })));
  if (method === "GET") return answer(path.includes("id=") ? page(shown().items.filter((one) => path.endsWith(`id=${one.id}`))) : shown());
  if (method === "POST") item.deleted = false;
  else if (item.deleted) return refuse(new Refusal(404));
  else if (method === "DELETE") item.deleted = true;
  else Object.assign(item, body);
  answer({ ...item });
}

async function forAllAsync(count, property) {
  const seeds = [];
  forAll(count, (random, seed) => seeds.push([random, seed]));
  for (const [random, seed] of seeds) {
    await property(random).catch((error) => {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    });
  }
}

// --- by day -----------------------------------------------------------------------------------------------------------------------

const NAMES = { pinned: "Pinned", today: "Today", yesterday: "Yesterday", lastWeek: "Previous 7 days" };
const now = new Date(2026, 2, 10, 9, 30);
const names = (whens, lang = "en") => {
  const items = whens.map((when, place) => ({ ...row(String(place)), updated_at: when.toISOString() }));
  return grouped(items, NAMES, { now, lang }).map(({ name, items: of }) => `${name}: ${of.length}`);
};

test("groups by the calendar's days, then by months", () => {
  const days = [[2026, 2, 10], [2026, 2, 9, 23, 59], [2026, 2, 8, 23], [2026, 2, 3], [2026, 2, 2, 23], [2026, 1, 2], [2025, 1, 2]];
  const whens = [now, ...days.map((day) => new Date(...day))];
  assert.deepEqual(names(whens), ["Today: 2", "Yesterday: 1", "Previous 7 days: 2", "March: 1", "February: 1", "February 2025: 1"]);
  assert.deepEqual(names([new Date(2026, 1, 2), new Date(2025, 1, 2)], "zh-Hans"), ["2月: 1", "2025年2月: 1"]);
});

test("a clock that is a little ahead is today too, and pinned ones are a group of their own", () => {
  assert.deepEqual(names([new Date(2026, 2, 10, 9, 31)]), ["Today: 1"]);
  const items = [row("a", 0, { pinned: true }), { ...row("b"), updated_at: now.toISOString() }];
  assert.deepEqual(grouped(items, NAMES, { now, lang: "en" }).map(({ name }) => name), ["Pinned", "Today"]);
});

// --- what is marked ---------------------------------------------------------------------------------------------------------------

const shown = (text, query) => marked(text, query).map(({ text: part, hit }) => (hit ? `[${part}]` : part)).join("");

test("what is looked for is marked: the whole of it or its words, in any case and script", () => {
  assert.equal(shown("Green tea and red tea", "TEA"), "Green [tea] and red [tea]");
  assert.equal(shown("tea, green", "green tea"), "[tea], [green]");
  assert.equal(shown("今天天气怎么样", "天气"), "今天[天气]怎么样");
  assert.equal(shown("a+b (c)", "(c)"), "a+b [(c)]");
  assert.equal(shown("nothing", "  "), "nothing");
});

test("nothing is lost or added by marking", () => {
  forAll(300, ({ int, pick }) => {
    const random = (most) => Array.from({ length: int(0, most) }, () => pick([..."ab .*\\[]()<>&你好é😀"])).join("");
    const text = random(20);
    const query = random(4);
    assert.equal(marked(text, query).map((part) => part.text).join(""), text);
  });
});

test("a preview has no Markdown signs, and keeps what only looks like them", () => {
  assert.equal(plain("## A **bold** `word` and [a link](http://x/y) ### next"), "A bold word and a link next");
  assert.equal(plain("- **one**"), "one");
  assert.equal(plain("1 * 2 is a*b, snake_case, C# and 5 > 3"), "1 * 2 is a*b, snake_case, C# and 5 > 3");
  assert.equal(plain("<b>stays text</b>"), "<b>stays text</b>");
});
