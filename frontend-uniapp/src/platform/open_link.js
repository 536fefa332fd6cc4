/**
 * Where a link of an answer leads, outside of this client.
 *
 * @module
 */

import { words } from "../app/words.js";
import { copy } from "./clipboard.js";

/** @param {string} href Checked by `chat/links.js`. */
export async function openLink(href) {
  // #ifdef H5
  window.open(href, "_blank", "noopener,noreferrer");
  // #endif
  // #ifdef APP-PLUS
  plus.runtime.openURL(href);
  // #endif
  // #ifdef MP
  // A mini-program may not lead out of itself.
  if (await copy(href)) uni.showToast({ title: words.addressCopied, icon: "none" });
  // #endif
}
