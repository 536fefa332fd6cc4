/**
 * What was said and not acknowledged yet. It is written to storage before it is sent, and storage is the truth: several tabs share it,
 * and a killed app finds it again. Sending twice is harmless, because the key goes along.
 *
 * @module
 */

/** @typedef {{getItem(name: string): string|null, setItem(name: string, text: string): void}} TextStorage Web Storage, or what looks like it. */

export class Outbox {
  /**
   * @param {TextStorage} storage
   * @param {string} [name]
   */
  constructor(storage, name = "llmsite.outbox") {
    this.storage = storage;
    this.name = name;
    /** What could not be stored (storage full, or forbidden) is kept at least in memory. @type {import("./reducer.js").Pending[]} */
    this.unstored = [];
  }

  /** In the order in which they were said. @returns {import("./reducer.js").Pending[]} */
  list() {
    return [...this.#read(), ...this.unstored];
  }

  /** @param {import("./reducer.js").Pending} item */
  add(item) {
    if (!this.#write([...this.#read(), item])) this.unstored.push(item);
  }

  /** @param {string} key */
  remove(key) {
    this.unstored = this.unstored.filter((item) => item.key !== key);
    const stored = this.#read();
    if (stored.some((item) => item.key === key)) this.#write(stored.filter((item) => item.key !== key));
  }

  #read() {
    try {
      const items = JSON.parse(this.storage.getItem(this.name) ?? "[]");
      return Array.isArray(items) ? items.filter((item) => item?.key && item.frame) : [];
    } catch {
      return [];
    }
  }

  #write(items) {
    try {
      this.storage.setItem(this.name, JSON.stringify(items));
      return true;
    } catch {
      return false;
    }
  }
}
