/**
 * How the page looks is in cookies, because the server must know it as well. These are their texts; who has a `document` reads and writes them.
 *
 * @module
 */

export const THEME = "llmsite_theme";
export const LANGUAGE = "llmsite_language";
const YEAR_S = 365 * 86_400;

/** A cookie for all of the site; without a value it is removed. @param {string} name @param {string} value Letters and dashes. @param {boolean} secure */
export function cookieText(name, value, secure) {
  return `${name}=${value}; Path=/; SameSite=Lax; Max-Age=${value ? YEAR_S : 0}${secure ? "; Secure" : ""}`;
}

/** @param {string} name @param {string} cookies As `document.cookie` has them. */
export function cookieOf(name, cookies) {
  const pairs = cookies.split("; ").map((pair) => pair.split("="));
  return pairs.find(([key]) => key === name)?.[1] ?? "";
}
