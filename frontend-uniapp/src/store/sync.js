/**
 * The kept conversations follow the computer's: what has changed is asked for by cursor, then the messages of the newest that changed, gently,
 * one after the other.
 *
 * The list and its cursor are saved together, after what they say has been done to the kept conversations: whatever ends this in between, the
 * same is told again, and does no harm twice.
 *
 * @module
 */

/** So many of the newest conversations are kept with their messages. */
export const NEWEST = 30;
/** Between two of them: a person may ask for some hundred things in a minute, and there are others to ask for. */
export const PACE_MS = 300;
export const RETRY_MS = 5_000;
/** How often in a row it is tried again because of too many requests. */
export const TRIES = 10;

/**
 * @typedef {object} Around
 * @property {import("../chat/api.js").Api} api
 * @property {import("./archive.js").Archive} archive
 * @property {import("../chat/conversations.js").Conversations} conversations
 * @property {(item: import("../chat/conversations.js").Conversation) => import("../chat/conversations.js").Conversation|null} over What this person has made of it meanwhile.
 * @property {(id: string) => boolean} isOpen Whether somebody else keeps it: the open one is asked for when it is shown.
 * @property {(ms: number) => Promise<void>} wait
 */

export class Sync {
  /** @type {Promise<void>|null} */
  #running = null;
  #again = false;
  #saved = "";
  #closed = false;
  /** What found no room is not asked for again and again. @type {Set<string>} */
  #tooMuch = new Set();

  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    const { archive, conversations } = around;
    const list = archive.list;
    this.cursor = list?.cursor ?? "";
    if (list) conversations.restore({ ...list, items: list.items.map((item) => around.over(item)).filter(Boolean) });
  }

  /** What is new? Asked again once more when it was asked meanwhile. Fails silently where the computer cannot be reached. */
  run() {
    this.#again = true;
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Another computer is talked to. */
  close() {
    this.#closed = true;
  }

  /** The list as it is shown, also what was changed here. */
  saveList() {
    const { archive, conversations } = this.around;
    const now = `${conversations.version} ${this.cursor}`;
    if (now === this.#saved) return;
    this.#saved = now;
    archive.saveList({ items: conversations.items, next: conversations.next, cursor: this.cursor });
  }

  /** The server's word on a conversation that was asked for when `stale` changes of it were not known. */
  keep(page, stale) {
    return this.around.archive.savePage(page, { used: Date.parse(page.updated_at) || 0, stale });
  }

  async #runAll() {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#follow();
        await this.#fetchAll();
      } catch {
        return; // The computer cannot be reached, or wants no more now: the next time.
      }
    }
  }

  // --- the list -----------------------------------------------------------------------------------------------------------------

  async #follow() {
    if (!this.cursor) return this.#begin();
    for (let more = true; more && !this.#closed; ) {
      try {
        more = await this.#ask();
      } catch (error) {
        if (error.code !== "bad_cursor") throw error;
        return this.#begin();
      }
    }
    // The list was too long to be kept whole: where it goes on is the server's to say.
    if (this.around.conversations.next === undefined) await this.#patient(() => this.around.conversations.refresh());
  }

  /** @returns {Promise<boolean>} Whether there is more. */
  async #ask() {
    const { archive, conversations } = this.around;
    const { items, next, more } = await this.#patient(() => conversations.follow(this.cursor));
    if (this.#closed) return false;
    for (const { id, deleted } of items) {
      if (deleted) archive.drop(id);
      else archive.outdate(id);
      this.#tooMuch.delete(id);
    }
    this.cursor = next;
    if (items.length) this.saveList();
    return more;
  }

  /** From the list itself: nothing is known, or nothing that can be built on. Then what is kept may all be behind. */
  async #begin() {
    const { archive, conversations } = this.around;
    const { changes } = await this.#patient(() => conversations.begin());
    if (this.#closed) return;
    for (const id of archive.ids) archive.outdate(id);
    this.cursor = changes ?? "";
    this.saveList();
  }

  // --- messages -----------------------------------------------------------------------------------------------------------------

  async #fetchAll() {
    for (const id of this.#wanted()) {
      if (this.#closed || this.#again) return;
      await this.#fetch(id);
      await this.around.wait(PACE_MS);
    }
  }

  /** The newest of which something is missing here. */
  #wanted() {
    const { archive, conversations, isOpen } = this.around;
    const newest = [...conversations.items].sort((one, other) => Date.parse(other.updated_at) - Date.parse(one.updated_at)).slice(0, NEWEST);
    return archive.behind(newest.map(({ id }) => id)).filter((id) => !isOpen(id) && !this.#tooMuch.has(id));
  }

  async #fetch(id) {
    const { api, archive, isOpen } = this.around;
    const stale = archive.stale(id);
    try {
      const page = await this.#patient(() => api.get(`conversations/${id}`));
      if (this.#closed || isOpen(id)) return;
      if (!this.keep(page, stale)) this.#tooMuch.add(id);
    } catch (error) {
      if (error.status !== 404) throw error;
      archive.drop(id); // The next changes say so, too.
      this.#tooMuch.add(id);
    }
  }

  /** Too many requests: the server says when it will take more. */
  async #patient(call) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        if (error.status !== 429 || tries === TRIES || this.#closed) throw error;
        await this.around.wait((error.retry_after_s ?? 0) * 1000 || RETRY_MS);
      }
    }
  }
}
