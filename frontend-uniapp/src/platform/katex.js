/**
 * KaTeX: in a browser it comes when the first formula does; the App and the mini-program have it in their package.
 *
 * @module
 */

// #ifndef H5
import packaged from "katex";
// #endif

/** There already, where it is packed. @returns {any} */
export function packedKatex() {
  // #ifndef H5
  return packaged;
  // #endif
  // #ifdef H5
  return null;
  // #endif
}

/** @returns {Promise<any>} */
export function bringKatex() {
  // #ifdef H5
  return import("../markdown/katex_page.js").then((module) => module.default);
  // #endif
  // #ifndef H5
  return Promise.resolve(packaged);
  // #endif
}
