/**
 * What colours code: in a browser it comes when the first code does; the App and the mini-program have it in their package.
 *
 * @module
 */

// #ifndef H5
import * as packaged from "../markdown/prism.js";
// #endif

/** @returns {Promise<typeof import("../markdown/prism.js")>} */
export function bringPrism() {
  // #ifdef H5
  return import("../markdown/prism.js");
  // #endif
  // #ifndef H5
  return Promise.resolve(packaged);
  // #endif
}
