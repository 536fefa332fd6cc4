/**
 * How the page looks: in cookies, because the server must know it as well. What only the page needs is in preferences.js.
 *
 * @module
 */

import { cookieText, LANGUAGE, THEME } from "./cookies.js";

/** All that are written by the page; the third says whether the list is hidden. */
export const COOKIES = [THEME, LANGUAGE, "llmsite_list"];
export const SIZES = ["small", "normal", "large", "larger"];

/** A cookie for all of the site; without a value it is removed. @param {string} name @param {string} value Letters and dashes. */
export function cookie(name, value) {
  document.cookie = cookieText(name, value, location.protocol === "https:");
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
