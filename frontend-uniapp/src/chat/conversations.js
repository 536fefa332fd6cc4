/**
 * The list of conversations: what the server has said of them, and what this person is changing.
 *
 * A change shows at once and is taken back when the server refuses it: `#stored` is the server's word, `#changes` lies over it. What is
 * done to one conversation reaches the server in its order, one request after the other. Nothing of the page is touched here.
 *
 * @module
 */

import { withQuery } from "./query.js";

export const PAGE = 50;
export const FOUND = 20;
/** The biggest file that is read at all; of one conversation the server has a limit of its own. */
export const MAX_FILE_BYTES = 256 * 1024 * 1024;
/** How often, and after what, an import is tried again that came too soon after the others. */
export const TRIES = 30;
export const RETRY_MS = 3_000;
export const FORMAT = "llmsite-conversation";

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {boolean} pinned
 * @property {string} preview
 * @property {boolean} running
 * @property {string} updated_at
 */
/** @typedef {{items: Conversation[], next: string|null}} Page */
/** @typedef {{text: string, hit: boolean}} Part */
/** @typedef {{conversation: {id: string, title: string}, message: string, role: string, created_at: string, snippet: Part[]}} Hit */
/** @typedef {{titles: Conversation[], items: Hit[], next: string|null}} Found */
/** @typedef {{name: string, code: string, message: string}} RefusedFile */
/** @typedef {Pick<import("./api.js").Api, "get"|"post"|"patch"|"delete">} Api */

export class Conversations {
  /** @type {Map<string, {item: Conversation, asked: number}>} What the server said, and with which of our questions. */
  #stored = new Map();
  /** @type {{id: string, fields: Partial<Conversation>}[]} What the server has not answered yet. */
  #changes = [];
  /** @type {Set<string>} Deleted here, though an answer that is on its way may still name them. */
  #gone = new Set();
  /** @type {Map<string, Promise<any>>} */
  #turns = new Map();
  #asked = 0;
  /** @type {Conversation[]|null} */
  #items = null;
  /** The cursor of the next page; undefined while that is not known. @type {string|null|undefined} */
  #next = null;
  #pages = 0;
  /** @type {Promise<void>|null} */
  #loading = null;

  /** @param {{api: Api, onChange?: () => void, wait?: (ms: number) => Promise<void>}} around */
  constructor({ api, onChange = () => {}, wait = (ms) => new Promise((done) => setTimeout(done, ms)) }) {
    this.api = api;
    this.onChange = onChange;
    this.wait = wait;
    /** Counts the changes, so that whoever shows the list knows whether there is anything new. */
    this.version = 0;
  }

  /** Pinned ones first, then the newest. @returns {Conversation[]} */
  get items() {
    this.#items ??= [...this.#stored.keys()].filter((id) => !this.#gone.has(id)).map((id) => this.#shown(id)).sort(inOrder);
    return this.#items;
  }

  /** Whether the server has more of them. */
  get hasMore() {
    return Boolean(this.#next);
  }

  /** Where it goes on, for `restore`. */
  get next() {
    return this.#next;
  }

  /** @param {string|null} id @returns {Conversation|undefined} */
  find(id) {
    return this.items.find((item) => item.id === id);
  }

  /** The first page, as it comes with the page's own data. @param {Page} page */
  load(page) {
    this.#takeFirst(page, ++this.#asked);
  }

  /** What was kept of an earlier time. Whatever the server says is newer. @param {{items: Conversation[], next?: string|null}} kept */
  restore({ items, next }) {
    for (const item of items) this.#store(item, 0);
    this.#next = next;
    this.#pages = next === undefined ? 0 : 2; // no first page may change where it goes on
    this.#changed();
  }

  /** From the beginning: nothing of what is known can be built on. Throws what the API throws. @returns {Promise<Page>} */
  async begin() {
    const asked = ++this.#asked;
    const page = await this.api.get(`conversations?limit=${PAGE}`);
    for (const id of this.#stored.keys()) this.#forget(id, asked);
    this.#pages = 0;
    this.#takeFirst(page, asked);
    return page;
  }

  /** What has changed behind a cursor, as /api/changes says it. Throws what the API throws. @param {string} cursor */
  async follow(cursor) {
    const asked = ++this.#asked;
    const answer = await this.api.get(withQuery("changes", { cursor }));
    for (const item of answer.items) {
      if (item.deleted) this.#forget(item.id, asked);
      else this.#store(item, asked);
    }
    this.#changed();
    return answer;
  }

  /** The next page. Throws what the API throws. */
  more() {
    if (!this.hasMore) return Promise.resolve();
    this.#loading ??= this.#more().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #more() {
    const asked = ++this.#asked;
    const page = await this.api.get(withQuery("conversations", { limit: PAGE, cursor: this.#next }));
    for (const item of page.items) this.#store(item, asked);
    this.#next = page.next;
    this.#pages += 1;
    this.#changed();
  }

  /** Asks for one conversation, or for the newest page. Throws what the API throws. @param {string} [id] */
  async refresh(id) {
    const asked = ++this.#asked;
    if (!id) return this.#takeFirst(await this.api.get(`conversations?limit=${PAGE}`), asked);
    const [item] = (await this.api.get(`conversations?id=${id}`)).items;
    if (item) this.#store(item, asked);
    else this.#forget(id, asked);
    this.#changed();
  }

  /** @param {string} id @param {string} title Not blank, at most 200 characters. */
  rename(id, title) {
    return this.#change(id, { title });
  }

  /** @param {string} id @param {boolean} pinned */
  pin(id, pinned) {
    return this.#change(id, { pinned });
  }

  /**
   * Away at once. `done` fails when the server refuses, and the conversation is back then; `undo()` brings it back, and fails likewise.
   * @param {string} id
   * @returns {{done: Promise<void>, undo: () => Promise<void>}}
   */
  remove(id) {
    const kept = this.#stored.get(id);
    this.#setGone(id, true);
    let refused = false;
    const done = this.#inTurn(id, () => this.api.delete(`conversations/${id}`).catch(orNothing)).then(
      () => {},
      (error) => {
        refused = true;
        this.#setGone(id, false);
        throw error;
      },
    );
    const undo = async () => {
      if (kept) this.#stored.set(id, { item: kept.item, asked: ++this.#asked });
      this.#setGone(id, false);
      try {
        const item = await this.#inTurn(id, () => refused || this.api.post(`conversations/${id}/restore`));
        if (!refused) this.#store(item, ++this.#asked);
      } catch (error) {
        this.#setGone(id, true);
        throw error;
      }
      this.#changed();
    };
    return { done, undo };
  }

  /**
   * Conversations by their titles (with the first page), and messages. Throws what the API throws.
   * @param {string} text @param {string|null} [cursor] @returns {Promise<Found>}
   */
  async search(text, cursor = null) {
    const inTitles = cursor ? { items: [] } : this.api.get(withQuery("conversations", { q: text, limit: PAGE }));
    const [listed, found] = await Promise.all([inTitles, this.api.get(withQuery("search", { q: text, limit: FOUND, cursor }))]);
    const known = new Map([...listed.items, ...(cursor ? [] : this.items)].map((item) => [item.id, this.#shown(item.id) ?? item]));
    const titles = [...known.values()].filter((item) => !this.#gone.has(item.id) && holds(item.title, text)).sort(inOrder);
    return { titles, items: found.items.filter((hit) => !this.#gone.has(hit.conversation.id)), next: found.next };
  }

  /**
   * Files that were exported here, as JSON. One that is refused does not keep the others out.
   * @param {Iterable<File>} files
   * @returns {Promise<{imported: Conversation[], refused: RefusedFile[]}>} Codes of our own: `not_ours`, `too_big`.
   */
  async importFiles(files) {
    const imported = [];
    const refused = [];
    const refuse = (name, error) => refused.push({ name, code: error.code ?? "not_ours", message: error.message });
    for (const file of files) {
      const all = await conversationsIn(file).catch((error) => refuse(file.name, error) && []);
      for (const one of all) {
        await this.#import(one).then(
          (item) => imported.push(item),
          (error) => refuse(all.length > 1 && one.title ? `${file.name}, “${one.title}”` : file.name, error),
        );
      }
    }
    return { imported, refused };
  }

  /** Many at once are more than a device may ask for in a minute: the rest waits. */
  async #import(data) {
    for (let tries = 1; ; tries += 1) {
      try {
        const item = await this.api.post("conversations/import", data);
        this.#store(item, ++this.#asked);
        return this.#changed(item);
      } catch (error) {
        if (error.code !== "too_many_requests" || tries === TRIES) throw error;
        await this.wait(RETRY_MS);
      }
    }
  }

  /** The address of a download. @param {string} id @param {"markdown"|"json"} format */
  exportUrl(id, format) {
    return `/api/conversations/${id}/export?format=${format}`;
  }

  // --- what the server said ---

  /** A question that was asked before another may be answered after it: the later question's answer stays. */
  #store(item, asked) {
    const before = this.#stored.get(item.id);
    if (before && before.asked > asked) return;
    const { id, title, pinned = false, preview = "", running = false, updated_at } = item;
    this.#stored.set(id, { item: { id, title, pinned, preview, running, updated_at }, asked });
  }

  #forget(id, asked) {
    const before = this.#stored.get(id);
    if (before && before.asked <= asked) this.#stored.delete(id);
  }

  /** What the first page should hold and does not was deleted elsewhere. */
  #takeFirst(page, asked) {
    const named = new Set(page.items.map((item) => item.id));
    const last = page.next === null ? null : page.items.at(-1);
    for (const [id, { item }] of this.#stored) {
      if (!named.has(id) && (!last || inOrder(item, last) < 0)) this.#forget(id, asked);
    }
    for (const item of page.items) this.#store(item, asked);
    if (this.#pages <= 1) {
      this.#next = page.next;
      this.#pages = 1;
    }
    this.#changed();
  }

  // --- what this person changes ---

  #shown(id) {
    const stored = this.#stored.get(id)?.item;
    const changes = this.#changes.filter((change) => change.id === id);
    return stored && changes.length ? Object.assign({}, stored, ...changes.map((change) => change.fields)) : stored;
  }

  async #change(id, fields) {
    const change = { id, fields };
    this.#changes.push(change);
    this.#changed();
    try {
      const item = await this.#inTurn(id, () => this.api.patch(`conversations/${id}`, fields));
      this.#store(item, ++this.#asked); // whatever was asked while this was under way may have been answered before it
    } finally {
      this.#changes = this.#changes.filter((one) => one !== change);
      this.#changed();
    }
  }

  #setGone(id, gone) {
    if (gone) this.#gone.add(id);
    else this.#gone.delete(id);
    this.#changed();
  }

  /** After what was begun before it for the same conversation, whatever came of that. */
  #inTurn(id, call) {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).catch(() => {}).then(call);
    this.#turns.set(id, turn);
    const leave = () => this.#turns.get(id) === turn && this.#turns.delete(id);
    turn.then(leave, leave);
    return turn;
  }

  #changed(item) {
    this.#items = null;
    this.version += 1;
    this.onChange();
    return item;
  }
}

/** Pinned ones first, then the newest: the server's order. @param {Conversation} one @param {Conversation} other */
function inOrder(one, other) {
  return (
    Number(other.pinned) - Number(one.pinned) ||
    Date.parse(other.updated_at) - Date.parse(one.updated_at) ||
    (other.updated_at > one.updated_at ? 1 : other.updated_at < one.updated_at ? -1 : 0) ||
    (other.id > one.id ? 1 : -1)
  );
}

/** @param {string} title @param {string} text */
function holds(title, text) {
  return title.toLowerCase().includes(text.trim().toLowerCase());
}

/** What is not there any more is no failure: it was deleted elsewhere. */
function orNothing(error) {
  if (error.status === 404) return null;
  throw error;
}

class Unfit extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** What a file holds: one export, or all of them as the settings save them. Throws Unfit. @param {File} file */
async function conversationsIn(file) {
  if (file.size > MAX_FILE_BYTES) throw new Unfit("too_big");
  const data = parsed(await file.text());
  const all = Array.isArray(data?.conversations) ? data.conversations : [data];
  if (!all.length || all.some((one) => one?.format !== FORMAT)) throw new Unfit("not_ours");
  return all;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
