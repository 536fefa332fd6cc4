import { describe, expect, test } from "vitest";

import { forAll } from "../../../tests/js/fakes.mjs";
import { ApiError } from "../../src/chat/api.js";
import { Conversations } from "../../src/chat/conversations.js";
import { Archive } from "../../src/store/archive.js";
import { Edits } from "../../src/store/edits.js";
import { NEWEST, Sync } from "../../src/store/sync.js";
import { FakeComputer, QuotaStorage } from "./fakes.js";

const ROOM = { total: 1_000_000, each: 100_000 };

/** A phone: its storage outlives it. */
class Phone {
  waits = [];
  refused = [];
  open = null;

  constructor(computer, storage = new QuotaStorage(), room = ROOM) {
    this.storage = storage;
    this.archive = new Archive(storage, "me", room);
    const wait = async (ms) => void this.waits.push(ms);
    const row = (id) => this.conversations.find(id);
    const refused = (id, fields, why) => this.refused.push([id, fields, why]);
    this.edits = new Edits({ api: computer.api, storage, owner: "me", row, refused, wait, waits: () => this.edits.flush() });
    this.conversations = new Conversations({ api: this.edits.api, wait });
    const over = (item) => this.edits.over(item);
    this.sync = new Sync({ api: this.edits.api, archive: this.archive, conversations: this.conversations, over, isOpen: (id) => id === this.open, wait });
  }

  async online() {
    await this.edits.flush();
    await this.sync.run();
  }

  get listed() {
    return this.conversations.items.map(({ id, title, pinned }) => `${pinned ? "*" : ""}${id}=${title}`);
  }

  texts(id) {
    return this.archive.page(id)?.messages.map((row) => row.content) ?? null;
  }
}

const seen = (computer) => computer.listed.map(({ id, title, pinned }) => `${pinned ? "*" : ""}${id}=${title}`);

async function started(count = 3) {
  const computer = new FakeComputer();
  for (let number = 0; number < count; number += 1) computer.write(`c${number}`);
  const phone = new Phone(computer);
  await phone.online();
  return { computer, phone };
}

describe("following", () => {
  test("first the list, then the messages of the newest, and after that only what is new", async () => {
    const { computer, phone } = await started();
    expect(phone.listed).toEqual(seen(computer));
    expect(phone.texts("c1")).toEqual(["text 2"]);
    computer.asked = [];
    computer.write("c1", { text: "more" });
    await phone.online();
    expect(computer.asked).toEqual(["GET changes?cursor=c3", "GET conversations/c1"]);
    expect(phone.texts("c1")).toEqual(["text 2", "more"]);
    computer.asked = [];
    await phone.online();
    expect(computer.asked).toEqual(["GET changes?cursor=c4"]);
  });

  test("what was kept is there before the computer, and without it", async () => {
    const { computer, phone } = await started();
    computer.reachable = false;
    const again = new Phone(computer, phone.storage);
    await again.online();
    expect(again.listed).toEqual(seen(computer));
    expect(again.texts("c2")).toEqual(["text 3"]);
    computer.reachable = true;
    computer.write("c9");
    await again.online();
    expect(again.listed).toEqual(seen(computer));
  });

  test("what was deleted elsewhere goes, its messages too", async () => {
    const { computer, phone } = await started();
    await computer.api.delete("conversations/c1");
    computer.remove("c2");
    await phone.online();
    expect(phone.listed).toEqual(["c0=c0"]);
    expect([phone.texts("c1"), phone.texts("c2")]).toEqual([null, null]);
    await computer.api.post("conversations/c1/restore");
    await phone.online();
    expect(phone.texts("c1")).toEqual(["text 2"]);
  });

  test("a cursor that the computer does not know: from the beginning", async () => {
    const { computer, phone } = await started();
    computer.number = 1; // its database was restored from a copy
    computer.conversations.delete("c2");
    computer.write("c0", { text: "after" });
    await phone.online();
    expect(phone.listed).toEqual(seen(computer));
    expect(phone.texts("c0")).toEqual(["text 1", "after"]);
  });

  test("only the newest are kept, and the one that is open is somebody else's to keep", async () => {
    const { computer, phone } = await started(NEWEST + 5);
    expect(phone.archive.ids).toHaveLength(NEWEST);
    expect(phone.texts("c0")).toBe(null);
    phone.open = "c10";
    computer.write("c10");
    await phone.online();
    expect(phone.archive.stale("c10")).toBe(1);
  });

  test("too many requests are waited for as long as the computer says, and the rest comes", async () => {
    const computer = new FakeComputer();
    for (const id of ["a", "b"]) computer.write(id);
    const phone = new Phone(computer);
    computer.refusals = [new ApiError("too_many_requests", "slower", 429, 7)];
    await phone.online();
    expect(phone.waits).toContain(7_000);
    expect([phone.texts("a"), phone.texts("b")]).toEqual([["text 1"], ["text 2"]]);
  });

  test("one that is deleted while it is asked for does not keep the others back", async () => {
    const computer = new FakeComputer();
    for (const id of ["a", "b"]) computer.write(id);
    const phone = new Phone(computer);
    const { get } = computer.api;
    phone.edits.around.api = { ...computer.api, get: (path) => (path === "conversations/b" ? Promise.reject(new ApiError("no_conversation", "gone", 404)) : get(path)) };
    await phone.online();
    expect(phone.texts("a")).toEqual(["text 1"]);
  });

  test("what finds no room is not asked for again and again", async () => {
    const computer = new FakeComputer();
    computer.write("long", { text: "x".repeat(2_000) });
    const phone = new Phone(computer, new QuotaStorage(), { total: 5_000, each: 1_000 });
    await phone.online();
    computer.asked = [];
    await phone.online();
    expect(computer.asked).toEqual(["GET changes?cursor=c1"]);
    computer.write("long", { text: "y", texts: [] });
    await phone.online();
    expect(computer.asked).toContain("GET conversations/long");
  });
});

describe("without the computer", () => {
  test("what is renamed, pinned and deleted shows at once, outlives the app, and goes out", async () => {
    const { computer, phone } = await started();
    computer.reachable = false;
    await phone.conversations.rename("c0", "new");
    await phone.conversations.pin("c0", true);
    await phone.conversations.remove("c1").done;
    const shown = ["*c0=new", "c2=c2"];
    expect(phone.listed).toEqual(shown);
    const again = new Phone(computer, phone.storage);
    expect(again.listed).toEqual(shown);
    computer.reachable = true;
    await again.online();
    expect(seen(computer)).toEqual(shown);
    expect(again.listed).toEqual(shown);
    expect(again.edits.waiting).toEqual({});
  });

  test("what was deleted and brought back there was never deleted", async () => {
    const { computer, phone } = await started();
    computer.reachable = false;
    await phone.conversations.rename("c1", "kept");
    const { done, undo } = phone.conversations.remove("c1");
    await done;
    await undo();
    expect(phone.listed).toContain("c1=kept");
    computer.reachable = true;
    await phone.online();
    expect(seen(computer)).toContain("c1=kept");
    expect(computer.asked.some((what) => what.startsWith("DELETE"))).toBe(false);
  });

  test("deleted with the computer, brought back without it", async () => {
    const { computer, phone } = await started();
    const { done, undo } = phone.conversations.remove("c1");
    await done;
    computer.reachable = false;
    await undo();
    expect(phone.listed).toContain("c1=c1");
    computer.reachable = true;
    await phone.online();
    expect(phone.listed).toEqual(seen(computer));
    expect(phone.listed).toContain("c1=c1");
  });

  test("what the computer will not have is said, and its word holds", async () => {
    const { computer, phone } = await started();
    computer.reachable = false;
    await phone.conversations.rename("c1", "bad");
    computer.reachable = true;
    computer.refusals = [new ApiError("no_title", "That is no title.", 409)];
    await phone.online();
    expect(phone.refused).toEqual([["c1", { title: "bad" }, "That is no title."]]);
    expect(phone.edits.waiting).toEqual({});
    computer.write("c1");
    await phone.online();
    expect(phone.listed).toEqual(seen(computer));
  });

  test("what was deleted elsewhere meanwhile needs no word", async () => {
    const { computer, phone } = await started();
    computer.reachable = false;
    await phone.conversations.rename("c1", "new");
    await phone.conversations.remove("c2").done;
    computer.remove("c1");
    computer.remove("c2");
    computer.reachable = true;
    await phone.online();
    expect([phone.refused, phone.listed]).toEqual([[], ["c0=c0"]]);
  });

  test("what is on its way when the app is killed goes out the next time", async () => {
    const { computer, phone } = await started();
    phone.conversations.rename("c1", "new"); // nobody waits for it
    await Promise.resolve();
    const again = new Phone(computer, phone.storage);
    await again.online();
    expect(seen(computer)).toContain("c1=new");
  });

  test("where nothing can be stored it waits as long as the app lives", async () => {
    const { computer, phone } = await started();
    computer.reachable = false;
    phone.storage.quota = 0;
    await phone.conversations.rename("c1", "new");
    computer.reachable = true;
    await phone.online();
    expect(seen(computer)).toContain("c1=new");
  });
});

test("two phones and a computer that comes and goes, killed now and then: in the end all say the same, and no change is lost", { timeout: 60_000 }, async () => {
  const runs = [];
  forAll(40, (chance, seed) => runs.push([chance, seed]));
  for (const [chance, seed] of runs) {
    const computer = new FakeComputer();
    const phones = [new Phone(computer), new Phone(computer)];
    const wanted = new Map();
    for (let step = 0; step < 40; step += 1) {
      const place = chance.int(0, 1);
      const phone = phones[place];
      const ids = phone.conversations.items.map((item) => item.id);
      const id = ids.length ? chance.pick(ids) : null;
      const act = chance.int(0, 8);
      if (act === 0) computer.write(`n${step}`);
      else if (act === 1 && computer.listed.length) computer.write(chance.pick(computer.listed).id);
      else if (act === 2) computer.reachable = !computer.reachable;
      else if (act === 3) await phone.online();
      else if (act === 4) phones[place] = new Phone(computer, phone.storage);
      else if (act === 5 && computer.listed.length) computer.remove(chance.pick(computer.listed).id);
      else if (id && act === 6) await phone.conversations.rename(id, `t${step}`).then(() => wanted.set(id, `t${step}`), () => {}); // prettier-ignore
      else if (id && act === 7) await phone.conversations.pin(id, chance.chance(0.5)).catch(() => {});
      else if (id && act === 8) {
        const { done, undo } = phone.conversations.remove(id);
        await done.catch(() => {});
        if (chance.chance(0.5)) await undo().catch(() => {});
      }
      if (chance.chance(0.3)) phone.sync.saveList();
    }
    computer.reachable = true;
    for (let round = 0; round < 2; round += 1) for (const phone of phones) await phone.online();
    const titles = new Set([...wanted.values()]);
    for (const phone of phones) {
      expect(phone.listed, `seed ${seed}`).toEqual(seen(computer));
      expect(phone.edits.waiting).toEqual({});
      for (const { id, texts, title } of computer.listed) {
        expect(phone.texts(id), `seed ${seed}`).toEqual(texts);
        if (wanted.has(id)) expect(titles.has(title), `seed ${seed}: ${id} is called ${title}`).toBe(true);
      }
    }
  }
});
