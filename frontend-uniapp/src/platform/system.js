/**
 * What the phone says of itself.
 *
 * @module
 */

/** @returns {string} A language tag, as the system has it. */
export function systemLanguage() {
  // #ifdef H5
  return navigator.language || "en";
  // #endif
  // #ifndef H5
  return uni.getLocale() || "en";
  // #endif
}
