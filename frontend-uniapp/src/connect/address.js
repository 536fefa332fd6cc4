/**
 * What was typed or scanned, understood as the address of a computer, perhaps with a pairing code.
 *
 * @module
 */

/** The server's own, where none is said. */
export const PORT = 8000;
const DEFAULTS = { http: 80, https: 443 };

/**
 * @typedef {object} Address
 * @property {true} ok
 * @property {string[]} bases Where to ask, the likeliest first: `http://192.168.1.7:8000`.
 * @property {string} code Of the pairing, as it came; "" where there was none.
 */
/**
 * @typedef {object} NoAddress
 * @property {false} ok
 * @property {"empty"|"wifi"|"code"|"number"|"port"|"text"} why `wifi`: a code that joins a network. `code`: a pairing code alone. `number`: an IP address that is none.
 * @property {string} got What was said, shortened.
 */

/** @param {string} text @returns {Address|NoAddress} */
export function parseAddress(text) {
  const said = narrow(text).replace(/\s+/g, "");
  const no = (why) => /** @type {NoAddress} */ ({ ok: false, why, got: shortened(text) });
  if (!said) return no("empty");
  if (/^wifi:/i.test(said)) return no("wifi");
  if (looksLikeCode(said)) return no("code");
  const { scheme, rest } = schemeOf(said);
  if (!scheme) return no("text");
  const [, place, query] = /^([^/?#]*)(.*)$/.exec(rest) ?? ["", "", ""];
  const split = splitPlace(place);
  if (!split || place.includes("@")) return no("text");
  const host = hostOfText(split.host);
  if (typeof host === "object") return no(host.why);
  const port = split.port === "" ? 0 : Number(split.port);
  if (split.port !== "" && !(Number.isInteger(port) && port >= 1 && port <= 65535)) return no("port");
  return { ok: true, bases: basesOf(scheme, host, port), code: codeIn(query) };
}

/** A pairing code, and no host: two groups of four with a line between, and a figure somewhere. */
function looksLikeCode(said) {
  return /^[0-9a-z]{4}-[0-9a-z]{4}$/i.test(said) && /\d/.test(said);
}

/** What a Chinese keyboard writes (full-width figures, colons, dots) and what copying brings along (invisible characters), as plain characters. @param {string} text */
export function narrow(text) {
  return String(text ?? "")
    .replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[\u3002\uff61\u00b7]/g, ".")
    .replace(/[\u2010-\u2015\u2212]/g, "-")
    .replace(/\u3000/g, " ")
    .replace(/[\u200b-\u200f\u2060\ufeff]/g, "")
    .trim();
}

/** `any` where none was said. */
function schemeOf(said) {
  const found = /^(https?|wss?):\/*/i.exec(said);
  if (found) return { scheme: found[1].toLowerCase().replace("ws", "http"), rest: said.slice(found[0].length) };
  return { scheme: /^[a-z][a-z0-9+.-]*:\/\//i.test(said) ? "" : "any", rest: said };
}

/** @returns {{host: string, port: string}|null} */
function splitPlace(place) {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(place);
  if (bracketed) return bracketed[1].includes(":") ? { host: `[${bracketed[1]}]`, port: bracketed[2] ?? "" } : null;
  if ((place.match(/:/g) ?? []).length > 1) return { host: `[${place}]`, port: "" };
  const [host, port] = place.split(":");
  return place.endsWith(":") ? { host, port: "" } : { host, port: port ?? "" };
}

/** @returns {string|{why: "number"|"text"}} */
function hostOfText(host) {
  if (host.startsWith("[")) return isIpv6(host.slice(1, -1)) ? host.toLowerCase() : { why: "number" };
  if (/^[\d.]+$/.test(host)) return isIpv4(host) ? host.split(".").map(Number).join(".") : { why: "number" };
  const name = host.replace(/\.$/, "").toLowerCase();
  const isName = name.length <= 253 && name.split(".").every((label) => /^[a-z0-9_\u4e00-\u9fff](?:[a-z0-9_\u4e00-\u9fff-]{0,61}[a-z0-9_\u4e00-\u9fff])?$/.test(label));
  return isName ? name : { why: "text" };
}

function isIpv4(text) {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

function isIpv6(text) {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const isWhole = groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group));
  return isWhole && (halves.length === 2 ? groups.length < 8 : groups.length === 8);
}

/** Where no port was said it is the server's own, or the one that the scheme means. */
function basesOf(scheme, host, port) {
  const base = (how, number) => `${how}://${host}${number === DEFAULTS[how] ? "" : `:${number}`}`;
  const how = scheme === "any" ? "http" : scheme;
  if (port) return [base(how, port)];
  if (how === "https") return [base("https", 443)];
  if (scheme === "http") return [base("http", 80), base("http", PORT)];
  const isPublicName = /[a-z]/.test(host) && host.includes(".") && !host.endsWith(".local") && !host.startsWith("[");
  return isPublicName ? [base("http", PORT), base("https", 443)] : [base("http", PORT), base("http", 80)];
}

function codeIn(query) {
  const found = /[?&]code=([^&#]*)/.exec(query);
  if (!found) return "";
  try {
    return decodeURIComponent(found[1]).slice(0, 100);
  } catch {
    return "";
  }
}

function shortened(text) {
  const plain = String(text ?? "").trim();
  return plain.length > 60 ? `${plain.slice(0, 60)}…` : plain;
}

// --- parts of a base ------------------------------------------------------------------------------------------------------------

/** @param {string} base @returns {string} `192.168.1.7`, `[fd00::1]`, `name.local` */
export function hostOf(base) {
  return /^https?:\/\/(\[[^\]]*\]|[^:/]*)/.exec(base)?.[1] ?? "";
}

/** @param {string} base */
export function portOf(base) {
  const said = /^(https?):\/\/(?:\[[^\]]*\]|[^:/]*)(?::(\d+))?/.exec(base);
  return said ? Number(said[2] ?? DEFAULTS[said[1]]) : PORT;
}

/** The same port and scheme under another name. @param {string} base @param {string} host */
export function withHost(base, host) {
  return base.replace(/^(https?:\/\/)(?:\[[^\]]*\]|[^:/]*)/, `$1${host}`);
}

/** As people say it: without the scheme where it is the usual one. @param {string} base */
export function shownBase(base) {
  return base.replace(/^http:\/\//, "");
}

/** @param {string} base Whether it is the phone itself. */
export function isLoopback(base) {
  const host = hostOf(base);
  return host === "localhost" || host === "[::1]" || host === "0.0.0.0" || host.startsWith("127.");
}
