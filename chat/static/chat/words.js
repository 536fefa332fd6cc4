/**
 * Everything the page says, in the language that the server has given it.
 *
 * @module
 */

import * as CHAT from "./words_chat.js";
import * as LIST from "./words_list.js";
import * as MARKDOWN from "./words_markdown.js";
import * as SETTINGS from "./words_settings.js";

/** The tables of all areas; each has the same names in both languages. */
const AREAS = [CHAT, LIST, MARKDOWN, SETTINGS];

/** @type {typeof CHAT.EN & typeof LIST.EN & typeof MARKDOWN.EN & typeof SETTINGS.EN} */
export const words = Object.assign({}, ...AREAS.map((area) => (document.documentElement.lang.toLowerCase().startsWith("zh") ? area.ZH : area.EN)));

/** Put the words into what the server has laid out. @param {ParentNode} root */
export function fill(root) {
  for (const element of root.querySelectorAll("[data-words]")) element.textContent = words[element.dataset.words];
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", words[element.dataset.label]);
    if (element.matches("button, a")) element.title = words[element.dataset.label];
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = words[element.dataset.placeholder];
}
