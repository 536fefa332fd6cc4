/**
 * Hand a text to another app, through the system's own sheet where there is one.
 *
 * @module
 */

import { copy } from "./clipboard.js";

/**
 * @param {string} text
 * @returns {Promise<"shared"|"copied"|"failed">} Copied: there is no sheet here, so the text lies in the clipboard.
 */
export async function share(text) {
  // #ifdef H5
  // Only over https, or on the computer itself.
  if (navigator.share) {
    try {
      await navigator.share({ text });
      return "shared";
    } catch (error) {
      if (error.name === "AbortError") return "shared"; // closed by the person, who knows
    }
  }
  // #endif
  // #ifdef APP-PLUS
  const sent = await new Promise((resolve) => {
    plus.share.sendWithSystem({ type: "text", content: text }, () => resolve(true), (error) => resolve(error?.code === -2));
  });
  if (sent) return "shared";
  // #endif
  return (await copy(text)) ? "copied" : "failed";
}
