/**
 * What this phone keeps of one person's conversations, put together: the archive, what was done without the computer, and the two in step with it.
 * Storage, network and timers are handed in.
 *
 * @module
 */

import { path } from "../chat/reducer.js";
import { Archive } from "./archive.js";
import { Edits } from "./edits.js";
import { findHere } from "./find.js";
import { pageOf } from "./page.js";
import { withRoom } from "./room.js";
import { Sync } from "./sync.js";

/** What is streamed into the open conversation is written down at most so often. */
export const KEEP_MS = 1_000;

/**
 * @typedef {object} Around
 * @property {import("../chat/preferences.js").TextStorage} storage
 * @property {string} owner
 * @property {import("./archive.js").Room} room
 * @property {import("../chat/api.js").Api} api
 * @property {{set(call: () => void, ms: number): any, clear(timer: any): void}} timers
 * @property {() => number} clock Milliseconds.
 * @property {import("./edits.js").Around["refused"]} refused
 */

export class Keeper {
  /** @type {import("../chat/reducer.js").State|null} As it was written down last. */
  #kept = null;
  #timer = null;
  #closed = false;
  /** What is open, as the archive has it. @type {string|null} */
  #open = null;

  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    const { storage, owner, room, api } = around;
    this.archive = new Archive(storage, owner, room);
    /** For what a person wrote: it has room as long as there is anything else that could go. */
    this.storage = withRoom(storage, () => this.archive.evict());
    const wait = (ms) => new Promise((done) => around.timers.set(done, ms));
    const row = (id) => this.conversations?.find(id);
    this.edits = new Edits({ api, storage: this.storage, owner, row, wait, refused: (...what) => this.#refused(...what), waits: () => this.online() });
    /** With what waits here over it. */
    this.api = this.edits.api;
    this.wait = wait;
  }

  /** @param {{session: import("../chat/session.js").Session, conversations: import("../chat/conversations.js").Conversations}} client */
  begin({ session, conversations }) {
    this.session = session;
    this.conversations = conversations;
    const isOpen = (id) => id === session.state.conversation;
    const over = (item) => this.edits.over(item);
    this.sync = new Sync({ api: this.api, archive: this.archive, conversations, over, isOpen, wait: this.wait });
  }

  /** Nothing is written any more. */
  close() {
    this.now();
    this.#closed = true;
    this.sync.close();
    this.around.timers.clear(this.#timer);
  }

  // --- the open conversation ----------------------------------------------------------------------------------------------------

  /** Shows what was open when the app was killed. @returns {object|null} What is known of it. */
  reopen() {
    const { open } = this.archive;
    this.#open = open;
    if (!open) return null;
    const known = this.show(open);
    if (!known && this.session.outbox.list().some((item) => item.conversation === open)) this.session.show(open);
    return known ?? { id: open };
  }

  /** Shows what lies here of a conversation of which the session knows nothing yet. @param {string} id @returns {object|null} The page, where there was one. */
  show(id) {
    if (path(this.session.state, id).length) return null;
    const page = this.archive.page(id);
    if (page) this.session.load(page);
    return page;
  }

  /** The server's word on the open conversation is here. @param {any} page */
  turned(page) {
    if (!page?.messages || this.#closed) return;
    this.archive.know(page);
    this.#write(page.id, this.archive.stale(page.id));
  }

  /** Something may have changed in the session: text has come, another conversation is open. */
  noticed() {
    const { state } = this.session;
    if (this.#closed) return;
    if (state.conversation !== this.#open) {
      if (this.#timer) this.now();
      this.archive.open = this.#open = state.conversation;
      this.#kept = null;
    }
    if (!state.conversation) return;
    const kept = this.#kept;
    // A message that the server has is in the outbox no more, so it is written down at once; text that is lost comes again.
    if (state.leaves[state.conversation] !== kept?.leaves[state.conversation]) this.now();
    else if (kept?.messages !== state.messages || kept.open !== state.open) this.#timer ??= this.around.timers.set(() => this.now(), KEEP_MS);
  }

  /** Write down what there is: the app goes to the back, and may be killed there. */
  now() {
    this.around.timers.clear(this.#timer);
    this.#timer = null;
    if (this.#closed) return;
    if (this.#open) this.#write(this.#open);
    this.sync.saveList();
  }

  #write(id, stale) {
    const { state } = this.session;
    this.#kept = state;
    // A branch whose beginning is not known here is no conversation yet.
    if (!path(state, id).length) return;
    const page = pageOf(state, id, this.archive.known(id) ?? this.conversations.find(id) ?? null);
    this.archive.savePage(page, { used: this.around.clock(), stale });
  }

  // --- in step with the computer ------------------------------------------------------------------------------------------------

  /** The computer can be reached: what waits goes out, then what is new comes in. */
  async online() {
    if (this.#closed) return;
    await this.edits.flush();
    await this.sync.run();
  }

  /** The computer's word holds. */
  #refused(id, fields, why) {
    this.conversations.refresh(id).catch(() => {});
    this.around.refused(id, fields, why);
  }

  /** @param {string} text @param {string|null} [cursor] @returns {Promise<import("../chat/conversations.js").Found & {here?: boolean}>} `here`: only what lies here was looked through. */
  async search(text, cursor = null) {
    try {
      return await this.conversations.search(text, cursor);
    } catch (error) {
      if (error.status !== 0 || cursor) throw error;
      return { ...findHere(this.archive, this.conversations.items, text), here: true };
    }
  }
}
