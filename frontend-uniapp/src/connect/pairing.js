/**
 * A code from the computer's screen becomes a token; and whether the computer knows this phone.
 *
 * @module
 */

import { narrow } from "./address.js";

export const CODE_CHARS = 8;
const NAME_CHARS = 100;
/** The server takes these for what they look like. */
const MEANT = { O: "0", I: "1", L: "1" };

/** @typedef {import("./check.js").Ask} Ask */

/** A code as it was made, however it was typed. Codes have no U. @param {string} typed */
export function plainCode(typed) {
  const plain = narrow(typed).toUpperCase().replace(/[^0-9A-Z]/g, "");
  return plain.replace(/[OIL]/g, (letter) => MEANT[letter]).slice(0, CODE_CHARS);
}

/** As it is shown, in two groups: `7KQ2-M9XF`. @param {string} typed */
export function shownCode(typed) {
  const plain = plainCode(typed);
  return plain.length > 4 ? `${plain.slice(0, 4)}-${plain.slice(4)}` : plain;
}

/** @param {string} typed */
export function isWholeCode(typed) {
  return plainCode(typed).length === CODE_CHARS;
}

/** @typedef {{kind: "paired", token: string, owner: string, device: string}} Paired */
/** @typedef {{kind: "refused"}} Refused Used, too old, or never one. */
/** @typedef {{kind: "wait", seconds: number}} Wait Too many tries. */
/** @typedef {{kind: "away"}} Away Nobody answered. */
/** @typedef {{kind: "failed", message: string, status: number}} Failed */

/**
 * @param {{base: string, code: string, name: string}} asked
 * @param {{ask: Ask}} around
 * @returns {Promise<Paired|Refused|Wait|Away|Failed>}
 */
export async function pair({ base, code, name }, { ask }) {
  const body = { code: shownCode(code), name: name.trim().slice(0, NAME_CHARS) };
  const { status, text } = await ask({ method: "POST", url: `${base}/api/pair`, body });
  const answer = parsed(text);
  if (status === 200 && answer?.token) return { kind: "paired", token: answer.token, owner: answer.owner, device: answer.device };
  if (answer?.code === "code_refused") return { kind: "refused" };
  return elsewise(status, answer);
}

/** @typedef {{kind: "known", owner: string, device: string, open: boolean}} KnownHere */
/** @typedef {{kind: "unpaired"}} Unpaired */

/**
 * Whether a computer knows this phone. Only to be asked of one that was recognised: it gets to see the token.
 * @param {{base: string, token: string}} asked
 * @param {{ask: Ask}} around
 * @returns {Promise<KnownHere|Unpaired|Wait|Away|Failed>}
 */
export async function whoAmI({ base, token }, { ask }) {
  const { status, text } = await ask({ method: "GET", url: `${base}/api/me`, token });
  const answer = parsed(text);
  if (status === 200 && answer?.owner) return { kind: "known", owner: answer.owner, device: answer.device?.id ?? "", open: Boolean(answer.open) };
  if (status === 401 || status === 403) return { kind: "unpaired" };
  return elsewise(status, answer);
}

function elsewise(status, answer) {
  if (!status) return { kind: "away" };
  if (status === 429) return { kind: "wait", seconds: Math.max(1, Math.ceil(answer?.retry_after_s ?? 10)) };
  return { kind: "failed", message: answer?.message ?? "", status };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
