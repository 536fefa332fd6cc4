/**
 * Turns an element into a newer one of itself, leaving alone what they have in common: what is selected there stays selected, and only the
 * lines at the end are laid out anew.
 *
 * @module
 */

/** Drawn by modules of their own, which know their elements: kept or replaced as they are. */
const WHOLE = ".md-code, .md-formula, .md-table";

/**
 * @param {Node} old In the page. @param {Node} fresh Not in the page; loses its children.
 * @returns {boolean} Whether `old` is now what `fresh` was; if not, it is as it was before.
 */
export function grown(old, fresh) {
  if (!(old instanceof HTMLElement && fresh instanceof HTMLElement) || !isSame(old, fresh)) return false;
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const next = at?.nextSibling ?? null;
    if (!at) old.append(node);
    else if (!at.isEqualNode(node) && !extended(at, node) && !grown(at, node)) at.replaceWith(node);
    at = next;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
  return true;
}

/** The same element, whatever is in it. */
function isSame(old, fresh) {
  if (old.tagName !== fresh.tagName || old.matches(WHOLE)) return false;
  old.classList.remove("md-end");
  if (!old.classList.length) old.removeAttribute("class");
  return old.cloneNode(false).isEqualNode(fresh.cloneNode(false));
}

/** A text that has become longer. */
function extended(old, fresh) {
  if (old.nodeType !== Node.TEXT_NODE || fresh.nodeType !== Node.TEXT_NODE) return false;
  if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
  else old.data = fresh.data;
  return true;
}
