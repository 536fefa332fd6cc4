/**
 * What was done to conversations while the computer could not be reached: renamed, pinned, deleted, brought back. It shows at once, waits here,
 * and goes out when the computer is there again. What was said last of a conversation holds.
 *
 * It stands between the list and the API: whoever asks gets what this person has made of it.
 *
 * @module
 */

export const RETRY_MS = 5_000;
const ONE = /^conversations\/([^/?]+)$/;
const RESTORED = /^conversations\/([^/?]+)\/restore$/;

/** @typedef {import("../chat/api.js").Api} Api */
/** @typedef {{title?: string, pinned?: boolean, deleted?: boolean}} Fields */
/**
 * @typedef {object} Around
 * @property {Api} api The computer itself.
 * @property {import("../chat/preferences.js").TextStorage} storage
 * @property {string} owner
 * @property {(id: string) => import("../chat/conversations.js").Conversation|undefined} row What the list says of a conversation.
 * @property {(id: string, fields: Fields, why: string) => void} refused The computer would not have it.
 * @property {() => void} waits Something waits behind what waited already.
 * @property {(ms: number) => Promise<void>} wait
 */

export class Edits {
  /** @type {Promise<void>|null} */
  #flushing = null;
  /** Where storage is forbidden or full: as long as the app lives. @type {Record<string, Fields>|null} */
  #unstored = null;

  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    this.name = `llmsite.${around.owner}.edits`;
    /** The API with what waits over it. @type {Api} */
    this.api = {
      ...around.api,
      get: (path) => this.#get(path),
      patch: (path, body) => this.#patch(path, body),
      delete: (path) => this.#delete(path),
      post: (path, body) => this.#post(path, body),
    };
  }

  /** For each conversation what waits, the oldest first. @returns {Record<string, Fields>} */
  get waiting() {
    if (this.#unstored) return this.#unstored;
    try {
      const value = JSON.parse(this.around.storage.getItem(this.name) ?? "{}");
      return value && typeof value === "object" && !Array.isArray(value) ? value : {};
    } catch {
      return {};
    }
  }

  /** A row as this person has it; null where they have deleted it. @template T @param {T & {id: string}} item @returns {T|null} */
  over(item) {
    const { deleted, ...fields } = this.waiting[item.id] ?? {};
    return deleted ? null : { ...item, ...fields };
  }

  /** The computer is there: what waits goes out, one after the other. What could not go yet stays. */
  flush() {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flush() {
    for (let [first] = Object.entries(this.waiting); first; [first] = Object.entries(this.waiting)) {
      const [id, fields] = first;
      const error = await this.#send(id, fields).catch((refusal) => refusal);
      if (error?.status === 429) await this.around.wait((error.retry_after_s ?? 0) * 1000 || RETRY_MS);
      else if (error && !isFinal(error)) return;
      else this.#settle(id, fields);
      if (error && isFinal(error) && error.status !== 404) this.around.refused(id, fields, error.message);
    }
  }

  async #send(id, { deleted, ...fields }) {
    const { api } = this.around;
    if (deleted === true) return void (await api.delete(`conversations/${id}`));
    if (deleted === false) await api.post(`conversations/${id}/restore`);
    if (Object.keys(fields).length) await api.patch(`conversations/${id}`, fields);
  }

  /** It is done, but for what was changed meanwhile. */
  #settle(id, sent) {
    const now = this.waiting[id] ?? {};
    const left = Object.fromEntries(Object.entries(now).filter(([name, value]) => sent[name] !== value));
    this.#store(id, left);
  }

  // --- the API ------------------------------------------------------------------------------------------------------------------

  async #get(path) {
    const answer = await this.around.api.get(path);
    if (ONE.test(path)) return { ...answer, ...this.over({ id: answer.id }) };
    if (!Array.isArray(answer?.items) || !Object.keys(this.waiting).length) return answer;
    if (path.startsWith("changes")) return { ...answer, items: answer.items.map((item) => this.over(item) ?? { id: item.id, deleted: true }) };
    if (path.startsWith("conversations?")) return { ...answer, items: answer.items.map((item) => this.over(item)).filter(Boolean) };
    if (path.startsWith("search?")) return { ...answer, items: answer.items.filter((hit) => !this.waiting[hit.conversation.id]?.deleted) };
    return answer;
  }

  #patch(path, body) {
    const [, id] = ONE.exec(path) ?? [];
    const mine = id && Object.keys(body).every((name) => name === "title" || name === "pinned");
    if (!mine) return this.around.api.patch(path, body);
    return this.#tryOr(id, body, () => this.around.api.patch(path, body));
  }

  #delete(path) {
    const [, id] = ONE.exec(path) ?? [];
    return id ? this.#tryOr(id, { deleted: true }, () => this.around.api.delete(path)) : this.around.api.delete(path);
  }

  #post(path, body) {
    const [, id] = RESTORED.exec(path) ?? [];
    if (!id) return this.around.api.post(path, body);
    if (this.waiting[id]?.deleted) {
      // The computer does not know that it was deleted; what else waits for it still does.
      this.#store(id, without(this.waiting[id], "deleted"));
      return Promise.resolve(this.#row(id));
    }
    return this.#tryOr(id, { deleted: false }, () => this.around.api.post(path, body));
  }

  /**
   * Written down before it is sent: an app may be killed while it waits for an answer. What waits already is not overtaken.
   * @param {string} id @param {Fields} fields @param {() => Promise<any>} call
   */
  async #tryOr(id, fields, call) {
    const before = this.waiting[id];
    this.#store(id, { ...before, ...fields });
    if (before) {
      this.around.waits();
      return this.#row(id);
    }
    try {
      const answer = await call();
      this.#settle(id, fields);
      return answer;
    } catch (error) {
      if (error.status === 0) return this.#row(id);
      this.#settle(id, fields);
      throw error;
    }
  }

  #row(id) {
    return { id, ...this.around.row(id), ...without(this.waiting[id] ?? {}, "deleted") };
  }

  #store(id, fields) {
    const all = without(this.waiting, id);
    if (Object.keys(fields).length) all[id] = fields;
    try {
      if (Object.keys(all).length) this.around.storage.setItem(this.name, JSON.stringify(all));
      else this.around.storage.removeItem(this.name);
      this.#unstored = null;
    } catch {
      this.#unstored = all;
    }
  }
}

/** Asking again would be answered the same. 401: this phone may be paired again. */
function isFinal({ status }) {
  return status >= 400 && status < 500 && status !== 401 && status !== 429;
}

function without(fields, name) {
  const { [name]: _, ...others } = fields;
  return others;
}
