/**
 * What was written and not sent, for each conversation: it outlives the page. On H5 the chat page has the same drafts under the same names.
 *
 * @module
 */

/** @typedef {Pick<Storage, "getItem"|"setItem"|"removeItem">} TextStorage */
/** @typedef {{id: string, text: string}} Edit A message that is being changed, and what it is to be. */

export class Drafts {
  /** @param {TextStorage} storage @param {string} owner */
  constructor(storage, owner) {
    this.storage = storage;
    this.prefix = `llmsite.${owner}.`;
    /** Where storage is forbidden or full, drafts live as long as the page. @type {Map<string, string>} */
    this.unstored = new Map();
  }

  /** @param {string|null} conversation */
  read(conversation) {
    return this.#get(`draft.${conversation ?? "new"}`);
  }

  /** @param {string|null} conversation @param {string} text Nothing forgets it. */
  write(conversation, text) {
    this.#set(`draft.${conversation ?? "new"}`, text);
  }

  /** @param {string|null} conversation @returns {Edit|null} */
  readEdit(conversation) {
    try {
      const { id, text } = JSON.parse(this.#get(`edit.${conversation}`));
      return typeof id === "string" && typeof text === "string" ? { id, text } : null;
    } catch {
      return null;
    }
  }

  /** @param {string|null} conversation @param {Edit|null} edit */
  writeEdit(conversation, edit) {
    this.#set(`edit.${conversation}`, edit ? JSON.stringify(edit) : "");
  }

  #get(name) {
    if (this.unstored.has(name)) return this.unstored.get(name) ?? "";
    try {
      return this.storage.getItem(this.prefix + name) ?? "";
    } catch {
      return "";
    }
  }

  #set(name, text) {
    try {
      if (text) this.storage.setItem(this.prefix + name, text);
      else this.storage.removeItem(this.prefix + name);
      this.unstored.delete(name);
    } catch {
      this.unstored.set(name, text);
    }
  }
}
