/**
 * Where a link of the model may lead, and what it has to say about that. Pure, and without `URL`, which the App and the mini-program do not have:
 * what is not plainly an address is none.
 *
 * @module
 */

import { encodeLabel } from "./punycode.js";

/** Signs that turn the direction of text around, or are not seen: an address can be dressed up with them. */
const UNSEEN = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const LOOKS_LIKE_ADDRESS = /(?:https?:\/\/|www\.)\S+|(?:[\p{L}\p{N}-]+\.)+(?:\p{L}{2,})/giu;
const MOST_CHARS = 2_000;
const WEB = /^(https?):\/\/(?:([^/?#@]*)@)?(\[[0-9a-f:.]+\]|[^/?#:@[\]]+)(?::(\d{1,5}))?((?:[/?#].*)?)$/i;
const MAIL = /^mailto:([^/?#][^?#]*)((?:[?#].*)?)$/i;
/** Browsers take these out of an address, or read a backslash as a slash: none of them belongs there. */
// eslint-disable-next-line no-control-regex
const FOREIGN = /[\u0000-\u001f\u007f-\u009f\\]/;
const USUAL_PORTS = { http: "80", https: "443" };

/**
 * @typedef {object} Address
 * @property {string} href All of it, with every sign that is not of an address escaped.
 * @property {string} host With the port. @property {string} hostname In Latin letters only.
 * @property {string} pathname Of `mailto:` whom it goes to.
 * @property {boolean} mail @property {boolean} named Whether it says a name or a password: what stands there can look like a host.
 */

/**
 * The address, or nothing where it may not be followed. It must say its scheme: a path would be a page of this server.
 * @param {string} href
 * @returns {Address|null}
 */
export function address(href) {
  const said = href.trim();
  if (said.length > MOST_CHARS || FOREIGN.test(said)) return null;
  const mail = MAIL.exec(said);
  if (mail) return { href: `mailto:${escaped(mail[1])}${escaped(mail[2])}`, host: "", hostname: "", pathname: escaped(mail[1]), mail: true, named: false };
  const web = WEB.exec(said);
  const hostname = web && hostOf(web[3]);
  if (!hostname) return null;
  const [, scheme, user, , port, rest] = web;
  const host = port && Number(port) !== Number(USUAL_PORTS[scheme.toLowerCase()]) ? `${hostname}:${Number(port)}` : hostname;
  const tail = escaped(rest.startsWith("/") ? rest : `/${rest}`);
  const whole = `${scheme.toLowerCase()}://${user === undefined ? "" : `${escaped(user)}@`}${host}${tail}`;
  return { href: whole, host, hostname, pathname: /^[^?#]*/.exec(tail)[0], mail: false, named: Boolean(user) };
}

/** A host as an address has it: in Latin letters only; nothing where it is none. */
function hostOf(text) {
  if (text.startsWith("[")) return text.toLowerCase();
  const labels = text.normalize("NFKC").replace(UNSEEN, "").replace(/[\u3002\uff61]/g, ".").toLowerCase().normalize("NFC").split(".").map(encodeLabel);
  const host = labels.join(".");
  // A number is a computer's address, which has ways of being written that hide where it leads: only the usual one is read.
  const numeric = /^(?:\d+|0x[0-9a-f]*)$/.test(labels.filter(Boolean).pop() ?? "");
  if (numeric) return /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?=\d)|$)){4}$/.test(host) && !/(?:^|\.)0\d/.test(host) ? host : "";
  return /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?$/.test(host) && host.length <= 253 ? host : "";
}

/** Signs that an address does not have are escaped; what is escaped stays so. */
function escaped(text) {
  const whole = Array.from(text, (sign) => (/^[\ud800-\udfff]$/.test(sign) ? "\ufffd" : sign)).join("");
  return encodeURI(whole).replace(/%25/g, "%").replace(/'/g, "%27").replace(/%5B/gi, "[").replace(/%5D/gi, "]");
}

/**
 * What must be said beside a link whose text names another place than the one it leads to; nothing where it does not.
 * @param {string} text @param {Address} url
 * @returns {string}
 */
export function realPlace(text, url) {
  const place = url.mail ? url.pathname : url.host;
  if (url.named) return place;
  const named = text.normalize("NFKC").replace(UNSEEN, "").match(LOOKS_LIKE_ADDRESS) ?? [];
  return named.every((name) => isSame(name, url)) && !UNSEEN.test(text) ? "" : place;
}

function isSame(name, url) {
  const said = name.replace(/^https?:\/\//i, "").replace(/^www\./i, "");
  const domain = said.split(/[/?#:]/)[0].toLowerCase();
  if (url.mail) return url.pathname.toLowerCase().endsWith(domain);
  const host = url.hostname.replace(/^www\./, "");
  // "node.js" or "README.md" in a text is the name of a thing: only the path may hold it.
  return host === (hostOf(domain) || domain) || url.pathname.toLowerCase().includes(domain);
}
