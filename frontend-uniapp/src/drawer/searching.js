/**
 * Looking for conversations: what was typed, what was found, and what of it is on its way. An answer to anything but what was asked last is
 * thrown away.
 *
 * @module
 */

export const PAUSE_MS = 250;

/** @typedef {import("../chat/conversations.js").Found & {here?: boolean}} Found */
/**
 * @typedef {object} Shown
 * @property {string} text What was asked for; nothing: the list itself is to be shown.
 * @property {Found|null} found
 * @property {boolean} busy
 * @property {string} problem Why there is nothing, or nothing more.
 */

/** @type {Shown} */
export const NOTHING = { text: "", found: null, busy: false, problem: "" };

export class Searching {
  #number = 0;
  #timer = null;

  /** @param {{find(text: string, cursor?: string|null): Promise<Found>, timers: {set(call: () => void, ms: number): any, clear(timer: any): void}, onChange(shown: Shown): void}} around */
  constructor(around) {
    this.around = around;
    this.shown = NOTHING;
  }

  /** @param {string} typed */
  type(typed) {
    const text = typed.trim();
    this.around.timers.clear(this.#timer);
    if (!text) this.clear();
    else if (text !== this.shown.text) this.#timer = this.around.timers.set(() => this.ask(text), PAUSE_MS);
  }

  clear() {
    this.around.timers.clear(this.#timer);
    this.#number += 1;
    this.#show(NOTHING);
  }

  /** @param {string} [text] Again, without it. */
  async ask(text = this.shown.text) {
    this.around.timers.clear(this.#timer);
    const number = ++this.#number;
    this.#show({ ...this.shown, text, busy: true, problem: "" });
    try {
      const found = await this.around.find(text);
      if (number === this.#number) this.#show({ text, found, busy: false, problem: "" });
    } catch (error) {
      if (number === this.#number) this.#show({ text, found: null, busy: false, problem: error.message });
    }
  }

  /** The next page, where there is one. */
  async more() {
    const { text, found, busy } = this.shown;
    if (!found?.next || busy) return;
    const number = this.#number;
    this.#show({ ...this.shown, busy: true, problem: "" });
    try {
      const { items, next } = await this.around.find(text, found.next);
      if (number === this.#number) this.#show({ text, found: { ...found, items: [...found.items, ...items], next }, busy: false, problem: "" });
    } catch (error) {
      if (number === this.#number) this.#show({ ...this.shown, busy: false, problem: error.message });
    }
  }

  #show(shown) {
    this.shown = shown;
    this.around.onChange(shown);
  }
}
