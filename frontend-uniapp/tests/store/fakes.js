/** Storage that is full when a test says so, and a server with conversations that change. */

import { ApiError } from "../../src/chat/api.js";

/** Web Storage with a quota in characters, names included. A write may be the last thing that an app did (`killAfter`). */
export class QuotaStorage {
  texts = new Map();

  constructor(quota = Infinity) {
    this.quota = quota;
    this.killAfter = Infinity;
  }

  get length() {
    return this.texts.size;
  }

  get used() {
    return [...this.texts].reduce((sum, [name, text]) => sum + name.length + text.length, 0);
  }

  key(place) {
    return [...this.texts.keys()][place] ?? null;
  }

  getItem(name) {
    return this.texts.get(name) ?? null;
  }

  setItem(name, text) {
    this.#step();
    const before = this.texts.has(name) ? name.length + this.texts.get(name).length : 0;
    if (this.used - before + name.length + text.length > this.quota) throw new Error("QuotaExceededError");
    this.texts.set(name, text);
  }

  removeItem(name) {
    this.#step();
    this.texts.delete(name);
  }

  #step() {
    if (this.killAfter <= 0) throw new Killed();
    this.killAfter -= 1;
  }
}

export class Killed extends Error {}

/** What the API of one person does, as far as the store asks for it. Changes are numbered as in chat/changes.py. */
export class FakeComputer {
  conversations = new Map();
  changes = new Map();
  count = 0;
  asked = [];
  reachable = true;
  /** What the next requests are answered instead, one each. @type {ApiError[]} */
  refusals = [];

  api = {
    get: (path) => this.#answer(`GET ${path}`, () => this.#get(path)),
    patch: (path, body) => this.#answer(`PATCH ${path}`, () => this.#change(idOf(path), body)),
    delete: (path) => this.#answer(`DELETE ${path}`, () => this.#change(idOf(path), { deleted: true }) && null),
    post: (path) => this.#answer(`POST ${path}`, () => this.#change(idOf(path), { deleted: false }, true)),
  };

  async #answer(what, call) {
    await Promise.resolve();
    if (!this.reachable) throw new ApiError("unreachable", "unreachable", 0);
    this.asked.push(what);
    const refusal = this.refusals.shift();
    if (refusal) throw refusal;
    const answer = call();
    await Promise.resolve();
    return JSON.parse(JSON.stringify(answer));
  }

  /** @param {string} id @param {object} [fields] */
  write(id, fields = {}) {
    const before = this.conversations.get(id) ?? { id, title: id, pinned: false, preview: "", running: false, deleted: false, texts: [] };
    this.count += 1;
    const updated_at = new Date(1e12 + this.count * 1000).toISOString();
    this.conversations.set(id, { ...before, updated_at, deleted: false, ...fields, texts: [...before.texts, fields.text ?? `text ${this.count}`] });
    this.#mark(id);
  }

  #mark(id) {
    this.changes.set(id, ++this.number);
  }

  number = 0;

  /** The owner of the computer removes it for good. @param {string} id */
  remove(id) {
    this.conversations.delete(id);
    this.#mark(id);
  }

  #change(id, fields, deleted = false) {
    const found = this.conversations.get(id);
    if (!found || (found.deleted && !deleted)) throw new ApiError("no_conversation", "gone", 404);
    this.conversations.set(id, { ...found, ...fields });
    this.#mark(id);
    return rowOf(this.conversations.get(id));
  }

  /** What the person sees. */
  get listed() {
    return [...this.conversations.values()].filter((one) => !one.deleted).sort((one, other) => Number(other.pinned) - Number(one.pinned) || (other.updated_at > one.updated_at ? 1 : -1));
  }

  #get(path) {
    if (path.startsWith("conversations?")) {
      const [, id] = /[?&]id=([^&]+)/.exec(path) ?? [];
      const [, from = "0"] = /[?&]cursor=(\d+)/.exec(path) ?? [];
      const all = this.listed.filter((one) => !id || one.id === id);
      const end = Number(from) + 50;
      return { items: all.slice(Number(from), end).map(rowOf), next: end < all.length ? String(end) : null, changes: `c${this.number}` };
    }
    if (path.startsWith("changes")) return this.#since(/cursor=c(-?\d+)/.exec(path)?.[1]);
    if (path.startsWith("search")) return { items: [], next: null };
    const found = this.conversations.get(idOf(path));
    if (!found || found.deleted) throw new ApiError("no_conversation", "gone", 404);
    return pageOf(found);
  }

  #since(cursor) {
    if (cursor === undefined || Number(cursor) > this.number) throw new ApiError("bad_cursor", "bad cursor", 400);
    const changed = [...this.changes].filter(([, number]) => number > Number(cursor)).sort((one, other) => one[1] - other[1]);
    const page = changed.slice(0, 3);
    const items = page.map(([id]) => {
      const found = this.conversations.get(id);
      return found && !found.deleted ? { ...rowOf(found), deleted: false } : { id, deleted: true };
    });
    return { items, next: `c${page.length ? page[page.length - 1][1] : cursor}`, more: changed.length > page.length };
  }
}

const idOf = (path) => path.split("/")[1].split("?")[0];
const rowOf = ({ id, title, pinned, preview, running, updated_at }) => ({ id, title, pinned, preview, running, updated_at });

export function pageOf({ texts, ...conversation }) {
  const messages = texts.map((content, place) => ({
    id: `${conversation.id}:${place}`,
    parent: place ? `${conversation.id}:${place - 1}` : null,
    role: place % 2 ? "assistant" : "user",
    content,
    thinking: "",
    run: null,
    running: false,
    finish_reason: "",
    error: "",
    rating: 0,
    comment: "",
  }));
  return { ...rowOf(conversation), created_at: conversation.updated_at, leaf: messages.length ? messages[messages.length - 1].id : null, messages };
}
