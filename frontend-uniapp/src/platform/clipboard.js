/**
 * The clipboard, on every platform.
 *
 * @module
 */

/** @param {string} text @returns {Promise<boolean>} Whether it is there now. */
export async function copy(text) {
  // #ifdef H5
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text); // over plain http a browser has no clipboard for pages
  }
  // #endif
  // #ifndef H5
  return new Promise((resolve) => {
    uni.setClipboardData({ data: text, showToast: false, success: () => resolve(true), fail: () => resolve(false) });
  });
  // #endif
}

// #ifdef H5
function copyByHand(text) {
  const field = document.createElement("textarea");
  const before = document.activeElement;
  field.value = text;
  field.className = "unseen";
  field.readOnly = true; // no keyboard comes up
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return copied;
}
// #endif
