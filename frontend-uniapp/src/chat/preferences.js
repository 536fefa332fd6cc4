/**
 * What a client remembers for one person, by name, in text storage.
 *
 * @module
 */

/** @typedef {Pick<Storage, "getItem"|"setItem"|"removeItem"|"key"|"length">} TextStorage */

export class Preferences {
  /** @param {TextStorage} storage @param {string} owner Hotspots give many computers the same address: things are named after their person. */
  constructor(storage, owner) {
    this.storage = storage;
    this.prefix = `llmsite.${owner}.`;
    /** Where storage is forbidden or full, things are remembered as long as the page lives. @type {Map<string, any>} */
    this.unstored = new Map();
  }

  /** Always read anew, because other tabs write too. @param {string} name @param {any} otherwise */
  get(name, otherwise) {
    if (this.unstored.has(name)) return this.unstored.get(name) ?? otherwise;
    try {
      return JSON.parse(this.storage.getItem(this.prefix + name) ?? "null") ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  /** @param {string} name @param {any} value Undefined forgets it. */
  set(name, value) {
    try {
      if (value === undefined) this.storage.removeItem(this.prefix + name);
      else this.storage.setItem(this.prefix + name, JSON.stringify(value));
      this.unstored.delete(name);
    } catch {
      this.unstored.set(name, value);
    }
  }

  /** How many messages were written here and have not gone out. */
  get unsent() {
    const items = this.get("outbox", []);
    return Array.isArray(items) ? items.length : 0;
  }

  /** Drafts, unsent messages, settings: all of this person that lies in this browser. */
  forgetAll() {
    this.unstored.clear();
    try {
      const names = Array.from({ length: this.storage.length }, (_, place) => this.storage.key(place));
      for (const name of names) if (name?.startsWith(this.prefix)) this.storage.removeItem(name);
    } catch {
      // Storage is forbidden: there is nothing in it.
    }
  }
}
