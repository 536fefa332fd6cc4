/**
 * Everything the client says, in the language of its person. The tables are shared with the chat page; `words/` has what only a phone says.
 *
 * @module
 */

import { shallowReactive } from "vue";

import { LANGUAGE } from "../chat/cookies.js";
import * as CHAT from "../chat/words_chat.js";
import * as LIST from "../chat/words_list.js";
import * as MARKDOWN from "../chat/words_markdown.js";
import * as SETTINGS from "../chat/words_settings.js";
import { readCookie, writeCookie } from "../platform/cookies.js";
import { storage } from "../platform/storage.js";
import { systemLanguage } from "../platform/system.js";
import * as CONNECT from "../words/connect.js";
import * as DRAWER from "../words/drawer.js";
import * as OWN_SETTINGS from "../words/settings.js";
import * as THREAD from "../words/thread.js";

/** Each has the same names in both languages. */
const AREAS = [CHAT, LIST, MARKDOWN, SETTINGS, CONNECT, DRAWER, OWN_SETTINGS, THREAD];
const KEPT = "llmsite.language";
const LANGUAGES = ["en", "zh-Hans"];

/** @typedef {typeof CHAT.EN & typeof LIST.EN & typeof MARKDOWN.EN & typeof SETTINGS.EN & typeof CONNECT.EN & typeof DRAWER.EN & typeof OWN_SETTINGS.EN & typeof THREAD.EN} Words */

/** Read inside templates and computed values: they follow when the language changes. @type {Words} */
export const words = shallowReactive(/** @type {any} */ ({}));

/** What is spoken now, and whether that was chosen or is the system's. */
export const language = shallowReactive({ now: "en", chosen: "" });

/** @param {""|"en"|"zh-Hans"} chosen Nothing: as the system has it. */
export function setLanguage(chosen) {
  language.chosen = chosen;
  language.now = chosen || (systemLanguage().toLowerCase().startsWith("zh") ? "zh-Hans" : "en");
  Object.assign(words, ...AREAS.map((area) => (language.now === "zh-Hans" ? area.ZH : area.EN)));
  // #ifdef H5
  document.documentElement.lang = language.now;
  // #endif
  writeCookie(LANGUAGE, chosen.toLowerCase());
  try {
    if (chosen) storage.setItem(KEPT, chosen);
    else storage.removeItem(KEPT);
  } catch {
    // Storage is forbidden: it holds until the client ends.
  }
}

export function beginLanguage() {
  // The chat page may have chosen another one since; it writes them in small letters.
  const kept = readCookie(LANGUAGE) ?? storage.getItem(KEPT);
  setLanguage(LANGUAGES.find((one) => one.toLowerCase() === kept?.toLowerCase()) ?? "");
}
