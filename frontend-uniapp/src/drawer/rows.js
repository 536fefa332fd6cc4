/**
 * The rows of the list: by day, and above them what the computer does not have yet.
 *
 * @module
 */

import { textOf } from "../chat/reducer.js";

const TITLE_CHARS = 60;
const MOST_IN_SENTENCE = 24;

/** @typedef {{id: string, title: string}} Unsent A conversation that was begun here, and of which nothing has gone out. */

/**
 * @param {import("../chat/reducer.js").Pending[]} pending
 * @param {(id: string) => boolean} isListed
 * @returns {Unsent[]} The newest first.
 */
export function unsentOf(pending, isListed) {
  const found = new Map();
  for (const { conversation, frame } of pending) {
    if (!isListed(conversation) && !found.has(conversation)) found.set(conversation, textOf(frame).trim().split("\n")[0].slice(0, TITLE_CHARS));
  }
  return [...found].map(([id, title]) => ({ id, title })).reverse();
}

/**
 * A list is drawn in steps: a phone takes its time for hundreds of rows.
 * @template T @param {{name: string, items: T[]}[]} groups @param {number} most
 * @returns {{name: string, items: T[]}[]}
 */
export function firstOf(groups, most) {
  let left = most;
  return groups
    .map(({ name, items }) => {
      const shown = items.slice(0, Math.max(0, left));
      left -= items.length;
      return { name, items: shown };
    })
    .filter(({ items }) => items.length);
}

/** A title inside a sentence. @param {string} title */
export function short(title) {
  const characters = [...title];
  return characters.length > MOST_IN_SENTENCE ? `${characters.slice(0, MOST_IN_SENTENCE).join("").trim()}…` : title;
}

/** A title as the name of a file on any system. @param {string} title @param {string} ending */
export function fileName(title, ending) {
  const plain = title
    .replace(/[\\/:*?"<>|\p{C}\s]+/gu, " ")
    .slice(0, TITLE_CHARS)
    .replace(/^[ .]+|[ .]+$/g, "");
  return `${plain || "conversation"}.${ending}`;
}
