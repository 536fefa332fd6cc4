/**
 * Looking for a word without the computer: in the titles of the list, and in the messages that lie here. The computer finds words; this finds
 * whatever stands in the text.
 *
 * @module
 */

import { marked } from "../chat/list_groups.js";

/** So many messages at most are named. */
export const MOST = 50;
const BEFORE = 24;
const LENGTH = 120;

/**
 * @param {import("./archive.js").Archive} archive
 * @param {import("../chat/conversations.js").Conversation[]} list
 * @param {string} text
 * @returns {import("../chat/conversations.js").Found}
 */
export function findHere(archive, list, text) {
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = (where) => terms.every((term) => where.toLowerCase().includes(term));
  const titles = terms.length ? list.filter((item) => holds(item.title)) : [];
  const items = [];
  for (const conversation of terms.length ? list : []) {
    const page = archive.has(conversation.id) ? archive.page(conversation.id) : null;
    for (const row of [...(page?.messages ?? [])].reverse()) {
      if (items.length === MOST) return { titles, items, next: null };
      if (holds(row.content)) items.push(hitOf(conversation, row, text, terms));
    }
  }
  return { titles, items, next: null };
}

/** @returns {import("../chat/conversations.js").Hit} */
function hitOf({ id, title }, row, text, terms) {
  const at = Math.min(...terms.map((term) => row.content.toLowerCase().indexOf(term)).filter((place) => place >= 0));
  const from = Math.max(0, at - BEFORE);
  // Whole characters: a pair of surrogates is one.
  const part = [...row.content.slice(from)].slice(0, LENGTH).join("").replace(/^[\uDC00-\uDFFF]/, "");
  const snippet = marked(`${from ? "…" : ""}${part}`, text);
  return { conversation: { id, title }, message: row.id, role: row.role, created_at: row.created_at ?? "", snippet };
}
