/**
 * What this browser remembers for one person: in Web Storage what only the page needs, in cookies what the server must know as well.
 *
 * @module
 */

/** @typedef {Pick<Storage, "getItem"|"setItem"|"removeItem"|"key"|"length">} TextStorage */

export const THEME = "llmsite_theme";
export const LANGUAGE = "llmsite_language";
/** All that are written by the page; the third says whether the list is hidden. */
export const COOKIES = [THEME, LANGUAGE, "llmsite_list"];
export const SIZES = ["small", "normal", "large", "larger"];
const YEAR_S = 365 * 86_400;

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

/** A cookie for all of the site; without a value it is removed. @param {string} name @param {string} value Letters and dashes. */
export function cookie(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; SameSite=Lax; Max-Age=${value ? YEAR_S : 0}${secure}`;
}

/** @param {string} name @param {string} [cookies] */
export function cookieOf(name, cookies = document.cookie) {
  const pairs = cookies.split("; ").map((pair) => pair.split("="));
  return pairs.find(([key]) => key === name)?.[1] ?? "";
}

/** The theme at once, and for the next page that the server sends. @param {""|"light"|"dark"} theme Nothing: as the system has it. */
export function setTheme(theme) {
  cookie(THEME, theme);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** @param {string} size One of SIZES. */
export function showSize(size) {
  const { classList } = document.documentElement;
  for (const one of SIZES) classList.toggle(`text-${one}`, one === size && one !== "normal");
}
