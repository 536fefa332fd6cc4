/**
 * What was chosen for each conversation (options, persona, model): shown at once, stored on the computer soon, kept here until it is.
 *
 * A change that the computer refuses is taken back with a sentence; one that did not reach it waits in storage and is tried again.
 *
 * @module
 */

/** @typedef {{options: import("./protocol.js").Options, persona: number|null, model: string}} Chosen */

export const SAVE_MS = 500;
export const RETRY_MS = 15_000;
/** A conversation that the computer still does not have after so long was never stored there. */
export const FORGET_MS = 7 * 86_400_000;
const UNSAVED = "unsaved";

/**
 * @typedef {object} Surroundings
 * @property {{patch(path: string, body: object): Promise<any>}} api
 * @property {import("./preferences.js").Preferences} preferences
 * @property {{set(call: () => void, ms: number): any, clear(timer: any): void}} timers
 * @property {() => number} clock Milliseconds.
 * @property {() => void} onChange
 * @property {(sentence: string, conversation: string) => void} onRefused The computer would not have it; what it has holds again.
 */

export class Choices {
  /** @param {Surroundings} around */
  constructor(around) {
    this.around = around;
    /** As the computer has them, by conversation. @type {Map<string, Chosen>} */
    this.stored = new Map();
    /** Conversations whose change is on its way. @type {Set<string>} */
    this.saving = new Set();
    /** @type {Map<string, any>} */
    this.timers = new Map();
    /** @type {Set<string>} */
    this.waiting = new Set();
    /** For a conversation that has not begun. @type {Chosen} */
    this.fresh = { ...this.#start(), persona: null };
  }

  /** What holds in a conversation. @param {string|null} id @returns {Chosen} */
  of(id) {
    if (!id) return this.fresh;
    const stored = this.stored.get(id) ?? { options: {}, persona: null, model: "" };
    return { ...stored, ...this.#unsaved(id) };
  }

  /** "waiting": it did not reach the computer, and is kept here. @param {string|null} id @returns {"saved"|"saving"|"waiting"} */
  status(id) {
    if (!id || !Object.keys(this.#unsaved(id)).length) return "saved";
    return this.waiting.has(id) ? "waiting" : "saving";
  }

  /** @param {string|null} id @param {Partial<Chosen>} changes */
  change(id, changes) {
    this.#remember(changes);
    if (id) {
      this.#keep(id, { ...this.#unsaved(id), ...changes });
      // A slider says many values in a row; the rest is chosen once.
      this.#later(id, changes.options ? SAVE_MS : 0);
    } else {
      this.fresh = { ...this.fresh, ...changes };
    }
    this.around.onChange();
  }

  /** As the computer has a conversation now. @param {{id: string, options?: object, persona?: number|null, model?: string}} meta */
  load(meta) {
    this.stored.set(meta.id, pick(meta));
    this.#drop(meta.id, (name, value) => same(value, this.stored.get(meta.id)?.[name]));
    if (Object.keys(this.#unsaved(meta.id)).length && !this.timers.has(meta.id)) this.#later(meta.id, 0);
  }

  /** A conversation begins with what was chosen for a new one. Its messages take that along; the options are stored besides. @param {string} id */
  begin(id) {
    const chosen = Object.entries(this.fresh).filter(([name, value]) => !same(value, pick({})[name]));
    if (chosen.length) {
      this.#keep(id, Object.fromEntries(chosen));
      this.#later(id, SAVE_MS);
    }
    this.fresh = { ...this.#start(), persona: null };
  }

  /** What a message must take along, because the computer does not have it yet. @param {string|null} id @returns {Partial<Chosen>} */
  along(id) {
    return id ? this.#unsaved(id) : this.fresh;
  }

  /** Store what waits, now: there is a connection again, or the page ends. */
  flush() {
    for (const id of Object.keys(this.around.preferences.get(UNSAVED, {}))) this.#later(id, 0);
  }

  /** Another computer is talked to: what waits is kept for the next time. */
  close() {
    for (const timer of this.timers.values()) this.around.timers.clear(timer);
    this.timers.clear();
  }

  // --- storing ------------------------------------------------------------------------------------------------------------------

  #later(id, ms) {
    const { timers } = this.around;
    timers.clear(this.timers.get(id));
    const fire = () => {
      this.timers.delete(id);
      this.#save(id);
    };
    this.timers.set(id, timers.set(fire, ms));
  }

  async #save(id) {
    const changes = this.#unsaved(id);
    if (this.saving.has(id) || !Object.keys(changes).length) return;
    this.saving.add(id);
    try {
      const meta = await this.around.api.patch(`conversations/${id}`, changes);
      this.waiting.delete(id);
      this.stored.set(id, { ...pick(meta ?? {}), ...(meta ? {} : { ...this.stored.get(id), ...changes }) });
      this.#drop(id, (name, value) => same(value, changes[name]));
    } catch (error) {
      this.#failed(id, changes, error);
    } finally {
      this.saving.delete(id);
    }
    // What was chosen meanwhile.
    if (this.status(id) === "saving") this.#later(id, 0);
    this.around.onChange();
  }

  #failed(id, changes, error) {
    const status = error?.status ?? 0;
    if (status === 404 && !this.stored.has(id)) {
      // Its first message is on its way: `load` or `flush` comes behind it.
      this.waiting.add(id);
      if (this.around.clock() - (this.around.preferences.get(UNSAVED, {})[id]?.at ?? 0) > FORGET_MS) this.#keep(id, {});
    } else if (!status || status === 401 || status === 408 || status === 429 || status >= 500) {
      this.waiting.add(id);
      this.#later(id, (error.retry_after_s ?? 0) * 1000 || RETRY_MS);
    } else {
      this.#drop(id, (name, value) => same(value, changes[name]));
      this.around.onRefused(error.message, id);
    }
  }

  /** @returns {Partial<Chosen>} */
  #unsaved(id) {
    return this.around.preferences.get(UNSAVED, {})[id]?.changes ?? {};
  }

  #keep(id, changes) {
    const { [id]: before, ...others } = this.around.preferences.get(UNSAVED, {});
    const more = Object.keys(changes).length ? { [id]: { changes, at: before?.at ?? this.around.clock() } } : {};
    if (!more[id]) this.waiting.delete(id);
    this.around.preferences.set(UNSAVED, { ...others, ...more });
  }

  /** Forget the changes that are done. @param {string} id @param {(name: string, value: any) => boolean} done */
  #drop(id, done) {
    const changes = this.#unsaved(id);
    const left = Object.entries(changes).filter(([name, value]) => !done(name, value));
    if (left.length < Object.keys(changes).length) this.#keep(id, Object.fromEntries(left));
  }

  // --- the start for new conversations ------------------------------------------------------------------------------------------

  #start() {
    const { options = {}, model = "" } = this.around.preferences.get("start", {});
    return { options, model };
  }

  /** But not the seed: with one, every conversation that begins alike would go on alike. */
  #remember({ options, model }) {
    const start = this.#start();
    if (options) {
      const { seed: _, ...rest } = options;
      start.options = rest;
      this.fresh = { ...this.fresh, options: rest };
    }
    if (model !== undefined) this.fresh = { ...this.fresh, model: (start.model = model) };
    if (options || model !== undefined) this.around.preferences.set("start", start);
  }
}

function pick(meta) {
  return { options: meta.options ?? {}, persona: meta.persona ?? null, model: meta.model ?? "" };
}

/** Values as JSON has them; the order of an object's names means nothing. */
function same(one, other) {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value) {
  if (!value || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
