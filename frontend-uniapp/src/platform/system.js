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

/** @returns {string} What the phone is called, so that its person knows it in a list. "": the server says. */
export function phoneName() {
  // #ifdef H5
  return "";
  // #endif
  // #ifndef H5
  const { deviceBrand = "", deviceModel = "", platform = "" } = uni.getSystemInfoSync();
  return [deviceBrand, deviceModel].filter(Boolean).join(" ") || platform;
  // #endif
}
