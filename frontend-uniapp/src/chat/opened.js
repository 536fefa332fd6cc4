/**
 * Which conversation is open, and how it is kept as the server has it: when it is opened, when the page is in front again, and when another
 * device of the same person changes it.
 *
 * @module
 */

import { leaf, path } from "./reducer.js";

const SOON_MS = 250;
/** The list may be a little behind. With --open everybody's messages change everybody's list: it is not asked for more often than this. */
const LIST_MS = 1_000;
const LIST_REST_MS = 5_000;
const BRANCH_MS = 400;

/**
 * @typedef {object} Around
 * @property {import("./session.js").Session} session
 * @property {import("./api.js").Api} api
 * @property {import("./conversations.js").Conversations} conversations
 * @property {(meta: any) => void} turned The server's word on the open conversation (null: a new one).
 * @property {(id: string) => void} gone It was deleted elsewhere.
 * @property {(changed: string[]) => Promise<any>} [refreshList] How the list learns what has changed, where it does not ask for that itself.
 */

export class Opened {
  /** @param {Around} around */
  constructor(around) {
    Object.assign(this, around);
    /** @type {Set<string>} Changed elsewhere, and not asked for yet by the list. */
    this.stale = new Set();
    this.listed = 0;
  }

  /**
   * Show a conversation, or an empty one. What is known of it already shows when the computer cannot be reached.
   * @param {string|null} id
   * @throws {import("./api.js").ApiError} Nothing of it is known here.
   */
  async open(id) {
    this.wanted = id;
    const known = path(this.session.state, id).length > 0;
    if (!id || known) this.#show(id);
    if (!id) return;
    try {
      await this.#fetch(id, () => this.wanted === id);
    } catch (error) {
      if (!known || error.status === 404) throw error;
    }
  }

  #show(id) {
    this.session.show(id);
    this.turned(id ? { id } : null);
  }

  /** Ask for what is shown again. Nothing happens where the computer cannot be reached. */
  async refresh() {
    const { conversation } = this.session.state;
    if (conversation) await this.#again(conversation);
  }

  /** Another device, or another page here, has changed it. Several changes in a row are one. @param {string} conversation */
  changed(conversation) {
    this.stale.add(conversation);
    const wait = Math.max(LIST_MS, this.listed + LIST_REST_MS - Date.now());
    this.later ??= setTimeout(() => this.#refreshList(), wait);
    if (conversation === this.session.state.conversation) this.soon ??= setTimeout(() => this.#refreshOpen(), SOON_MS);
  }

  /** The server is told which branch is open, so that the next device opens the same. @param {string} message */
  choose(message) {
    this.session.choose(message);
    const { conversation } = this.session.state;
    clearTimeout(this.branch);
    this.branch = setTimeout(() => {
      const last = leaf(this.session.state, conversation);
      // A message that is sent says by itself what it follows; so nothing is lost where this fails.
      if (last) this.api.patch(`conversations/${conversation}`, { leaf: last.id }).catch(() => {});
    }, BRANCH_MS);
  }

  async #refreshOpen() {
    this.soon = undefined;
    await this.refresh();
  }

  async #refreshList() {
    this.later = undefined;
    this.listed = Date.now();
    const changed = [...this.stale];
    this.stale.clear();
    const ask = this.refreshList ?? (([first, ...others]) => this.conversations.refresh(others.length ? undefined : first));
    await ask(changed).catch(() => {});
  }

  async #again(id) {
    // One that was begun here, and that the computer has not confirmed: it may not be there yet.
    if (!(id in this.session.state.leaves)) return;
    const before = this.#mark(id);
    try {
      await this.#fetch(id, () => this.session.state.conversation === id);
    } catch (error) {
      const same = before === this.#mark(id) && !this.session.state.pending.some((item) => item.conversation === id);
      if (error.status === 404 && same && this.session.state.conversation === id) this.gone(id);
    }
  }

  /** What came while it was on its way is newer than what it brings; then it is asked for again. */
  async #fetch(id, stillWanted) {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const before = this.#mark(id);
      const page = await this.api.get(`conversations/${id}`);
      if (!stillWanted()) return;
      if (before === this.#mark(id) && !this.#sending(id)) {
        this.session.load(page);
        this.turned(page);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, SOON_MS));
    }
  }

  #mark(id) {
    const { state } = this.session;
    return `${state.leaves[id]} ${state.ratings} ${state.pending.filter((item) => item.conversation === id).map((item) => item.key)}`;
  }

  #sending(id) {
    const { pending } = this.session.state;
    return this.session.connection.status === "online" && pending.some((item) => item.conversation === id && !item.error);
  }
}
