/**
 * Where a link of the model may lead, and what it has to say about that. Pure.
 *
 * @module
 */

const SCHEMES = new Set(["http:", "https:", "mailto:"]);
/** Signs that turn the direction of text around, or are not seen: an address can be dressed up with them. */
const UNSEEN = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const LOOKS_LIKE_ADDRESS = /(?:https?:\/\/|www\.)\S+|(?:[\p{L}\p{N}-]+\.)+(?:\p{L}{2,})/giu;
const MOST_CHARS = 2_000;

/**
 * The address, or nothing where it may not be followed. It must say its scheme: a path would be a page of this server.
 * @param {string} href
 * @returns {URL|null}
 */
export function address(href) {
  if (href.length > MOST_CHARS || !/^(?:https?:\/\/|mailto:)/i.test(href)) return null;
  try {
    const url = new URL(href);
    return SCHEMES.has(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/**
 * What must be said beside a link whose text names another place than the one it leads to; nothing where it does not.
 * @param {string} text @param {URL} url
 * @returns {string}
 */
export function realPlace(text, url) {
  const place = url.protocol === "mailto:" ? url.pathname : url.host;
  if (url.username || url.password) return place;
  const named = text.normalize("NFKC").replace(UNSEEN, "").match(LOOKS_LIKE_ADDRESS) ?? [];
  return named.every((name) => isSame(name, url)) && !UNSEEN.test(text) ? "" : place;
}

function isSame(name, url) {
  const said = name.replace(/^https?:\/\//i, "").replace(/^www\./i, "");
  const domain = said.split(/[/?#:]/)[0].toLowerCase();
  if (url.protocol === "mailto:") return url.pathname.toLowerCase().endsWith(domain);
  const host = url.hostname.replace(/^www\./, "");
  // "node.js" or "README.md" in a text is the name of a thing: only the path may hold it.
  return host === asciiOf(domain) || url.pathname.toLowerCase().includes(domain);
}

/** As an address has it: in Latin letters only. */
function asciiOf(domain) {
  try {
    return new URL(`http://${domain}`).hostname;
  } catch {
    return domain;
  }
}
