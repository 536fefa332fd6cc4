/**
 * What a browser tells the server and the chat page of this client's looks. An App and a mini-program share nothing with them.
 *
 * @module
 */

import { cookieOf, cookieText } from "../chat/cookies.js";

/** @param {string} name @returns {string|null} Null: there are no cookies here. */
export function readCookie(name) {
  // #ifdef H5
  return cookieOf(name, document.cookie);
  // #endif
  // #ifndef H5
  return null;
  // #endif
}

/** @param {string} name @param {string} value Nothing: it is removed. */
export function writeCookie(name, value) {
  // #ifdef H5
  document.cookie = cookieText(name, value, location.protocol === "https:");
  // #endif
}
