import { describe, expect, test } from "vitest";

import { forAll } from "../../../tests/js/fakes.mjs";
import { Archive, LIST_MOST } from "../../src/store/archive.js";
import { withRoom } from "../../src/store/room.js";
import { Killed, pageOf, QuotaStorage } from "./fakes.js";

const ROOM = { total: 10_000, each: 4_000 };
const page = (id, chars = 100) => pageOf({ id, title: id, pinned: false, preview: "", running: false, updated_at: "2026-01-01T00:00:00Z", texts: ["x".repeat(chars)] });
const archive = (storage = new QuotaStorage(), room = ROOM) => new Archive(storage, "me", room);

describe("what is kept", () => {
  test("is there again", () => {
    const storage = new QuotaStorage();
    const one = archive(storage);
    expect(one.savePage(page("a"), { used: 1, stale: 0 })).toBe(true);
    one.saveList({ items: [{ id: "a", title: "a" }], next: null, cursor: "c1" });
    one.open = "a";
    const again = archive(storage);
    expect(again.page("a")).toEqual(page("a"));
    expect(again.known("a")).toMatchObject({ id: "a", title: "a" });
    expect(again.list).toEqual({ items: [{ id: "a", title: "a" }], next: null, cursor: "c1" });
    expect(again.open).toBe("a");
    again.open = null;
    expect(archive(storage).open).toBe(null);
  });

  test("belongs to one person", () => {
    const storage = new QuotaStorage();
    archive(storage).savePage(page("a"), { used: 1, stale: 0 });
    const other = new Archive(storage, "somebody", ROOM);
    expect([other.page("a"), other.list, other.ids]).toEqual([null, null, []]);
  });

  test("a list that is too long is cut, and does not say where it goes on", () => {
    const one = archive();
    const items = Array.from({ length: LIST_MOST + 1 }, (_, place) => ({ id: `${place}`, title: "" }));
    one.saveList({ items, next: "p2", cursor: "c1" });
    expect(one.list.items).toHaveLength(LIST_MOST);
    expect(one.list.next).toBe(undefined);
  });

  test.each(["", "null", "{}", "[]", "7", '{"format":0,"page":{}}', '{"format":1}', '{"format":1,"page":{"id":"b","messages":[]}}', '{"format":1,"items":[1],"of":3}', "{broken"])(
    "what cannot be read is as if it were not there: %s",
    (text) => {
      const storage = new QuotaStorage();
      for (const name of ["list", "index", "open", "page.a"]) storage.setItem(`llmsite.me.kept.${name}`, text);
      const one = archive(storage);
      expect([one.page("a"), one.list, one.ids, one.open]).toEqual([null, null, [], null]);
      expect(one.savePage(page("a"), { used: 1, stale: 0 })).toBe(true);
      expect(one.page("a")).toEqual(page("a"));
    },
  );

  test("an index with a broken entry keeps the others", () => {
    const storage = new QuotaStorage();
    storage.setItem("llmsite.me.kept.index", JSON.stringify({ format: 1, of: { a: { used: 1, size: 5, stale: 0 }, b: { used: "x" }, c: null } }));
    expect(archive(storage).ids).toEqual(["a"]);
  });

  test("where storage is forbidden nothing is kept, and nothing fails", () => {
    const forbidden = () => {
      throw new Error("SecurityError");
    };
    const storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden, key: forbidden, get length() { return forbidden(); } }; // prettier-ignore
    const one = archive(storage);
    expect(one.savePage(page("a"), { used: 1, stale: 0 })).toBe(false);
    one.saveList({ items: [], next: null, cursor: "" });
    one.open = "a";
    one.drop("a");
    expect([one.page("a"), one.list, one.ids, one.evict()]).toEqual([null, null, [], false]);
  });
});

describe("how far behind it is", () => {
  test("changes are counted, and forgotten with the server's word of later", () => {
    const one = archive();
    one.savePage(page("a"), { used: 1, stale: 0 });
    one.outdate("a");
    const asked = one.stale("a");
    one.outdate("a"); // while the answer is on its way
    one.savePage(page("a"), { used: 2, stale: asked });
    expect(one.stale("a")).toBe(1);
    one.savePage(page("a"), { used: 2, stale: 1 });
    expect(one.stale("a")).toBe(0);
  });

  test("what was streamed here says nothing of what was changed elsewhere", () => {
    const one = archive();
    one.savePage(page("a"), { used: 1, stale: 0 });
    one.outdate("a");
    one.savePage(page("a"), { used: 2 });
    expect(one.stale("a")).toBe(1);
  });
});

describe("room", () => {
  test("the one that was not of use for the longest time goes", () => {
    const one = archive();
    for (const [place, id] of ["a", "b", "c"].entries()) one.savePage(page(id, 2_000), { used: place, stale: 0 });
    one.savePage(page("a", 2_000), { used: 9, stale: 0 });
    one.savePage(page("d", 3_500), { used: 10, stale: 0 });
    expect(one.ids).toEqual(["d", "a", "c"]);
    expect(one.page("b")).toBe(null);
  });

  test("what is of less use does not drive out what is of more", () => {
    const one = archive();
    for (const id of ["a", "b", "c"]) one.savePage(page(id, 2_800), { used: 5, stale: 0 });
    expect(one.savePage(page("old", 2_800), { used: 1, stale: 0 })).toBe(false);
    expect(one.ids.sort()).toEqual(["a", "b", "c"]);
  });

  test("one that is too long keeps its open branch, or goes", () => {
    const one = archive();
    const long = page("a", 100);
    long.messages.push({ ...long.messages[0], id: "other", content: "y".repeat(5_000) });
    expect(one.savePage(long, { used: 1, stale: 0 })).toBe(true);
    expect(one.page("a").messages.map((row) => row.id)).toEqual(["a:0"]);
    expect(one.savePage(page("a", 5_000), { used: 2, stale: 0 })).toBe(false);
    expect([one.has("a"), one.page("a")]).toEqual([false, null]);
  });

  test("where it is full of somebody else's, theirs goes whole", () => {
    const storage = new QuotaStorage(6_000);
    const theirs = new Archive(storage, "them", ROOM);
    for (const id of ["a", "b"]) theirs.savePage(page(id, 1_500), { used: 1, stale: 0 });
    expect(archive(storage).savePage(page("mine", 3_000), { used: 1, stale: 0 })).toBe(true);
    expect([theirs.ids, theirs.page("a")]).toEqual([[], null]);
  });

  test("what a person wrote has room before what the computer has as well", () => {
    const storage = new QuotaStorage(7_000);
    const one = archive(storage);
    for (const id of ["a", "b", "c"]) one.savePage(page(id, 1_500), { used: id.charCodeAt(0), stale: 0 });
    const mine = withRoom(storage, () => one.evict());
    mine.setItem("llmsite.me.outbox", "z".repeat(4_000));
    expect(storage.getItem("llmsite.me.outbox")).toHaveLength(4_000);
    expect(one.ids).toEqual(["c"]);
    expect(() => mine.setItem("llmsite.me.draft", "z".repeat(9_000))).toThrow("Quota");
    expect(storage.getItem("llmsite.me.outbox")).toHaveLength(4_000);
  });

  test("whatever is written in whatever order: the bounds hold, the index tells the truth, and what is read is what was written last", { timeout: 60_000 }, () => {
    forAll(60, (chance) => {
      const storage = new QuotaStorage(chance.pick([4_000, 12_000, Infinity]));
      const one = archive(storage);
      const written = new Map();
      for (let step = 0; step < 40; step += 1) {
        const id = chance.pick(["a", "b", "c", "d", "e"]);
        if (chance.chance(0.15)) one.drop(id);
        else if (chance.chance(0.1)) one.evict();
        else {
          const wanted = page(id, chance.int(0, 4_500));
          if (one.savePage(wanted, { used: step, stale: 0 })) written.set(id, JSON.stringify(wanted));
        }
        const sizes = one.ids.map((kept) => storage.getItem(`llmsite.me.kept.page.${kept}`).length);
        expect(sizes.every((size) => size <= ROOM.each)).toBe(true);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(ROOM.total);
        for (const kept of one.ids) expect(JSON.stringify(one.page(kept))).toBe(written.get(kept));
        const values = [...storage.texts.keys()].filter((name) => name.includes(".page.")).length;
        expect(values).toBe(one.ids.length);
      }
    });
  });

  test("killed at any write: what is there can be read, and nothing lies there that nobody knows of", () => {
    for (let moment = 0; moment < 30; moment += 1) {
      const storage = new QuotaStorage();
      const before = archive(storage);
      for (const id of ["a", "b", "c"]) before.savePage(page(id, 2_500), { used: 1, stale: 0 });
      storage.killAfter = moment;
      // An app that is killed does not go on where a write failed.
      const dying = new Proxy(storage, {
        get: (target, name) => (typeof target[name] === "function" ? (...all) => (target.killAfter <= 0 && name !== "getItem" && name !== "key" ? undefined : target[name](...all)) : target[name]),
      });
      try {
        const one = archive(dying);
        one.savePage(page("d", 3_500), { used: 2, stale: 0 });
        one.drop("b");
        one.savePage(page("a", 10), { used: 3, stale: 0 });
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
      storage.killAfter = Infinity;
      const again = archive(storage);
      const known = new Set(again.ids.map((id) => `llmsite.me.kept.page.${id}`));
      expect([...storage.texts.keys()].filter((name) => name.includes(".page.") && !known.has(name))).toEqual([]);
      for (const id of again.ids) again.page(id);
      expect(again.savePage(page("e", 3_000), { used: 9, stale: 0 })).toBe(true);
    }
  });
});
