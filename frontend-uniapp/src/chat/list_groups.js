/**
 * The list in groups by day, where a text holds what is looked for, and previews.
 *
 * @module
 */

/** @typedef {import("./conversations.js").Conversation} Conversation */
/** @typedef {{pinned: string, today: string, yesterday: string, lastWeek: string}} Names */

/**
 * The names of the groups, of items that are in order already.
 * @param {Conversation[]} items
 * @param {Names} names
 * @param {{now: Date, lang: string}} around
 * @returns {{name: string, items: Conversation[]}[]}
 */
export function grouped(items, names, { now, lang }) {
  const groups = new Map();
  for (const item of items) {
    const name = item.pinned ? names.pinned : dayName(new Date(item.updated_at), names, now, lang);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return [...groups].map(([name, of]) => ({ name, items: of }));
}

function dayName(when, names, now, lang) {
  // Days before today by the calendar: a day of 23 or 25 hours is one too.
  const midnight = (days) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - days);
  if (when >= midnight(0)) return names.today;
  if (when >= midnight(1)) return names.yesterday;
  if (when >= midnight(7)) return names.lastWeek;
  return monthName(when, when.getFullYear() !== now.getFullYear(), lang);
}

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** Not by `Intl`: the App and the mini-program may have none. */
function monthName(when, withYear, lang) {
  if (lang.startsWith("zh")) return `${withYear ? `${when.getFullYear()}年` : ""}${when.getMonth() + 1}月`;
  return `${MONTHS[when.getMonth()]}${withYear ? ` ${when.getFullYear()}` : ""}`;
}

/**
 * A text in parts, those marked that are looked for: the whole of it, or else each of its words.
 * @param {string} text @param {string} query
 * @returns {import("./conversations.js").Part[]}
 */
export function marked(text, query) {
  const wanted = query.trim();
  const terms = [wanted, ...wanted.split(/\s+/)].filter(Boolean).sort((one, other) => other.length - one.length);
  if (!terms.length) return [{ text, hit: false }];
  const pattern = new RegExp(`(${terms.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "giu");
  // Splitting by a pattern with a group gives what is between and what was found, in turn.
  const parts = text.split(pattern).map((part, place) => ({ text: part, hit: place % 2 === 1 }));
  return parts.filter((part) => part.text);
}

/** A line of Markdown without its signs, for a preview. @param {string} text */
export function plain(text) {
  return text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s*[->*+]\s|(^|\s)#{1,6}(?=\s)/g, "$1")
    .replace(/\*\*|__|~~|`+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
