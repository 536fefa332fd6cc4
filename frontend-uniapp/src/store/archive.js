/**
 * The conversations that lie on this phone: the list, and the newest of them with their messages. History opens with it at once, and without
 * the computer. What lies here is a copy: it may be thrown away at any time, and what cannot be read is as if it were not there.
 *
 * Each conversation is one value, written whole. An index says how long each is and when it was last of use; the one that was not for the longest
 * time goes first. The index is written before a value and after its removal, so that whatever is killed in between leaves nothing that nobody
 * knows of; several tabs share it, so it is read anew each time.
 *
 * @module
 */

import { isPage, openBranch } from "./page.js";

/** Of what is kept; what another version has kept is not read. */
export const FORMAT = 1;
/** The longest list that is kept. */
export const LIST_MOST = 500;

/** @typedef {import("../chat/preferences.js").TextStorage} TextStorage */
/** @typedef {{total: number, each: number}} Room Characters: of all messages, and of one conversation. */
/** @typedef {{items: import("../chat/conversations.js").Conversation[], next: string|null|undefined, cursor: string}} List `next` is unknown where not all of it was kept. */
/** @typedef {{used: number, size: number, stale: number}} Entry `stale` counts the changes that it does not have. */

export class Archive {
  /** What the server said last of the conversations that were read or written here. @type {Map<string, object>} */
  #known = new Map();

  /** @param {TextStorage} storage @param {string} owner @param {Room} room */
  constructor(storage, owner, room) {
    this.storage = storage;
    this.prefix = `llmsite.${owner}.kept.`;
    this.room = room;
  }

  // --- the list -----------------------------------------------------------------------------------------------------------------

  /** @returns {List|null} */
  get list() {
    const { items, next, cursor } = this.#read("list") ?? {};
    if (!Array.isArray(items) || items.some((item) => typeof item?.id !== "string")) return null;
    return { items, next, cursor: typeof cursor === "string" ? cursor : "" };
  }

  /** With how far it goes: the two are one value, because one without the other would miss something. @param {List} list */
  saveList({ items, next, cursor }) {
    const kept = items.slice(0, LIST_MOST);
    this.#insist("list", { items: kept, cursor, ...(kept.length === items.length && next !== undefined && { next }) });
  }

  /** The conversation that is open, if any: a killed app begins with it. @returns {string|null} */
  get open() {
    const { id } = this.#read("open") ?? {};
    return typeof id === "string" ? id : null;
  }

  set open(id) {
    if (id === this.open) return;
    if (id) this.#insist("open", { id });
    else this.#remove("open");
  }

  // --- conversations ------------------------------------------------------------------------------------------------------------

  /** @param {string} id @returns {import("./page.js").Page|null} */
  page(id) {
    const { page } = this.#read(`page.${id}`) ?? {};
    if (!isPage(page) || page.id !== id) return null;
    this.know(page);
    return page;
  }

  /** What the server says of a conversation is remembered, beside its messages. @param {import("./page.js").Page} page */
  know({ messages: _, ...meta }) {
    this.#known.set(meta.id, meta);
  }

  /** @param {string} id */
  known(id) {
    return this.#known.get(id) ?? null;
  }

  /** @param {string} id */
  has(id) {
    return id in this.#index();
  }

  /** Which are kept, the one that was of use last first. @returns {string[]} */
  get ids() {
    const index = this.#index();
    return Object.keys(index).sort((one, other) => index[other].used - index[one].used);
  }

  /** How many changes it does not have; 0 for what is not kept, too. @param {string} id */
  stale(id) {
    return this.#index()[id]?.stale ?? 0;
  }

  /** Those of which something is missing here. @param {string[]} ids @returns {string[]} */
  behind(ids) {
    const index = this.#index();
    return ids.filter((id) => !index[id] || index[id].stale > 0);
  }

  /** It was changed elsewhere: what is kept is behind. @param {string} id */
  outdate(id) {
    const index = this.#index();
    if (index[id]) this.#insist("index", { of: { ...index, [id]: { ...index[id], stale: index[id].stale + 1 } } });
  }

  /**
   * Keep a conversation. What is less of use makes room for it, never what is more.
   * @param {import("./page.js").Page} page
   * @param {{used: number, stale?: number}} how `stale`: what `stale(id)` was when the server was asked for it; without it nothing is known.
   * @returns {boolean} Whether it is kept now.
   */
  savePage(page, { used, stale }) {
    this.know(page);
    const text = this.#fit(page);
    if (text === null) {
      this.drop(page.id);
      return false;
    }
    const before = this.#index()[page.id];
    const entry = { used: Math.max(used, before?.used ?? 0), size: text.length, stale: staleNow(before, stale) };
    if (!this.#makeRoom(page.id, entry)) return false;
    for (;;) {
      if (this.#save("index", { of: { ...this.#index(), [page.id]: entry } }) && this.#write(`page.${page.id}`, text)) return true;
      if (!this.evict(page.id)) break;
    }
    this.drop(page.id);
    return false;
  }

  /** @param {string} id */
  drop(id) {
    this.#remove(`page.${id}`);
    const { [id]: gone, ...others } = this.#index();
    if (gone) this.#save("index", { of: others });
  }

  /**
   * Throw away what was not of use for the longest time; where nothing is left, what another person's computer has given this phone.
   * @param {string} [but] @returns {boolean} Whether there was anything.
   */
  evict(but) {
    const id = this.ids.filter((one) => one !== but).pop();
    if (id === undefined) return this.#evictElsewhere();
    this.drop(id);
    return !this.has(id);
  }

  // --- parts --------------------------------------------------------------------------------------------------------------------

  /** The whole of one other owner, so that its index tells the truth. */
  #evictElsewhere() {
    try {
      const names = Array.from({ length: this.storage.length }, (_, place) => this.storage.key(place) ?? "");
      const other = names.map((name) => /^llmsite\..+?\.kept\.(?=index$)/.exec(name)?.[0]).find((prefix) => prefix && prefix !== this.prefix);
      for (const name of names) if (other && (name === `${other}index` || name.startsWith(`${other}page.`))) this.storage.removeItem(name);
      return other !== undefined;
    } catch {
      return false;
    }
  }

  /** As text, shortened where it is too long; null: too long all the same. */
  #fit(page) {
    const whole = JSON.stringify({ format: FORMAT, page });
    if (whole.length <= this.room.each) return whole;
    const short = JSON.stringify({ format: FORMAT, page: openBranch(page) });
    return short.length <= this.room.each ? short : null;
  }

  #makeRoom(id, { used, size }) {
    const { [id]: _, ...others } = this.#index();
    let total = size + Object.values(others).reduce((sum, entry) => sum + entry.size, 0);
    const byUse = Object.keys(others).sort((one, other) => others[one].used - others[other].used);
    while (total > this.room.total && byUse.length) {
      const oldest = byUse.shift();
      if (others[oldest].used > used) return false;
      total -= others[oldest].size;
      this.drop(oldest);
    }
    return total <= this.room.total;
  }

  /** @returns {Record<string, Entry>} */
  #index() {
    const { of } = this.#read("index") ?? {};
    if (!of || typeof of !== "object") return {};
    return Object.fromEntries(Object.entries(of).filter(([, entry]) => [entry?.used, entry?.size, entry?.stale].every((value) => Number.isFinite(value))));
  }

  #read(name) {
    try {
      const value = JSON.parse(this.storage.getItem(this.prefix + name) ?? "null");
      return value?.format === FORMAT ? value : null;
    } catch {
      return null;
    }
  }

  #save(name, value) {
    return this.#write(name, JSON.stringify({ format: FORMAT, ...value }));
  }

  /** What is worth more than the oldest of the conversations. */
  #insist(name, value) {
    while (!this.#save(name, value)) if (!this.evict()) return;
  }

  #write(name, text) {
    try {
      this.storage.setItem(this.prefix + name, text);
      return true;
    } catch {
      return false;
    }
  }

  #remove(name) {
    try {
      this.storage.removeItem(this.prefix + name);
    } catch {
      // Storage is forbidden: there is nothing in it.
    }
  }
}

/** What the server said is up to date but for what has changed since it was asked. */
function staleNow(before, asked) {
  if (!before) return 0;
  return asked === undefined ? before.stale : Math.max(0, before.stale - asked);
}
