/**
 * The computers that this phone knows, in text storage. A computer is its id: the addresses at which it was met belong to it, however often they change.
 *
 * @module
 */

import { hostOf, shownBase } from "./address.js";

const KEPT = "llmsite.servers";
const VERSION = 1;
export const MOST_BASES = 6;
const NAME_CHARS = 60;

/**
 * @typedef {object} Known
 * @property {string} id The computer's own, from /healthz.
 * @property {string} name As its person calls it; "": by its `.local` name.
 * @property {string} host Its `.local` name, or "".
 * @property {string[]} bases Where it was met, the newest first.
 * @property {string} token What this phone shows for itself; "" where a cookie does, or where everybody may.
 * @property {string} owner The person whose conversations these are.
 * @property {string} device The id that this phone has there.
 * @property {number} used When it was chosen last, in milliseconds.
 */

export class Servers {
  /**
   * @param {import("../chat/outbox.js").TextStorage} storage
   * @param {() => number} [clock]
   */
  constructor(storage, clock = Date.now) {
    this.storage = storage;
    this.clock = clock;
  }

  /** The one used last comes first. @returns {Known[]} */
  list() {
    return this.#read().sort((one, other) => other.used - one.used);
  }

  /** @returns {Known|null} */
  last() {
    return this.list()[0] ?? null;
  }

  /** @param {string} id @returns {Known|null} */
  find(id) {
    return (id && this.#read().find((one) => one.id === id)) || null;
  }

  /**
   * It was met there just now, and is the one that is used. What is not said stays as it was.
   * @param {{id: string, base: string, host?: string, token?: string, owner?: string, device?: string}} met
   * @returns {Known}
   */
  met({ id, base, ...said }) {
    const before = this.find(id) ?? { id, name: "", host: "", bases: [], token: "", owner: "", device: "", used: 0 };
    const told = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
    const bases = [base, ...before.bases.filter((one) => one !== base)].slice(0, MOST_BASES);
    const known = { ...before, ...told, bases, used: this.clock() };
    this.#write([...this.#read().filter((one) => one.id !== id), known]);
    return known;
  }

  /** @param {string} id @param {string} name "": as the computer calls itself. */
  rename(id, name) {
    this.#change(id, (known) => ({ ...known, name: name.trim().slice(0, NAME_CHARS) }));
  }

  /** It does not take this phone's token any more; everything else is kept, to be paired again. @param {string} id */
  unpaired(id) {
    this.#change(id, (known) => ({ ...known, token: "" }));
  }

  /** @param {string} id */
  forget(id) {
    this.#write(this.#read().filter((one) => one.id !== id));
  }

  #change(id, change) {
    this.#write(this.#read().map((one) => (one.id === id ? change(one) : one)));
  }

  #read() {
    try {
      const { servers } = JSON.parse(this.storage.getItem(KEPT) ?? "{}");
      return Array.isArray(servers) ? servers.map(understood).filter(Boolean) : [];
    } catch {
      return [];
    }
  }

  #write(servers) {
    try {
      this.storage.setItem(KEPT, JSON.stringify({ version: VERSION, servers }));
    } catch {
      // Storage is full or forbidden: it is known until the app ends.
    }
  }
}

/** An entry of any version of this client: what is missing is empty, what is unknown stays; without an id or an address it is none. @returns {Known|null} */
function understood(entry) {
  const text = (value) => (typeof value === "string" ? value : "");
  const bases = Array.isArray(entry?.bases) ? entry.bases.filter((base) => typeof base === "string" && hostOf(base)) : [];
  if (!text(entry?.id) || !bases.length) return null;
  const { id, name, host, token, owner, device, used } = entry;
  const texts = { id, name: text(name), host: text(host), token: text(token), owner: text(owner), device: text(device) };
  return { ...entry, ...texts, bases: bases.slice(0, MOST_BASES), used: typeof used === "number" ? used : 0 };
}

/** What a computer is called: as its person says, or as it says itself, or where it is. @param {Known} known */
export function nameOf(known) {
  return known.name || known.host.replace(/\.local$/, "") || shownBase(known.bases[0]);
}
