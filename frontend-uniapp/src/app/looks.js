/**
 * Theme and size of the text, of this phone.
 *
 * @module
 */

import { computed, shallowReactive } from "vue";

import { THEME } from "../chat/cookies.js";
import { readCookie, writeCookie } from "../platform/cookies.js";
import { storage } from "../platform/storage.js";

const KEPT = "llmsite.looks";
export const SIZES = ["small", "normal", "large", "larger"];
export const THEMES = ["", "light", "dark"];

export const looks = shallowReactive({ theme: "", size: "normal" });

/** The class of each page's root: the theme, and the size of the text. */
export const looksClass = computed(() => `theme-${looks.theme || "system"} text-${looks.size}`);

/** @param {{theme?: string, size?: string}} changes Theme nothing: as the system has it. */
export function setLooks(changes) {
  Object.assign(looks, changes);
  try {
    storage.setItem(KEPT, JSON.stringify(looks));
  } catch {
    // Storage is full or forbidden: it holds until the client ends.
  }
  if (changes.theme !== undefined) writeCookie(THEME, changes.theme);
  showLooks();
}

export function beginLooks() {
  try {
    const { theme, size } = JSON.parse(storage.getItem(KEPT) ?? "{}");
    if (THEMES.includes(theme)) looks.theme = theme;
    if (SIZES.includes(size)) looks.size = size;
  } catch {
    // Nothing that can be read was kept.
  }
  // The chat page may have chosen another one since.
  const shared = readCookie(THEME);
  if (shared !== null && THEMES.includes(shared)) looks.theme = shared;
  showLooks();
}

/** What lies behind the pages, where the platform lets us reach it. */
function showLooks() {
  // #ifdef H5
  const { dataset } = document.documentElement;
  if (looks.theme) dataset.theme = looks.theme;
  else delete dataset.theme;
  // #endif
  // #ifdef APP-PLUS
  plus.nativeUI.setUIStyle(looks.theme || "auto");
  // #endif
}
