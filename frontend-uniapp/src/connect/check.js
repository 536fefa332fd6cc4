/**
 * Is there a computer that we can talk to? One question to `/healthz`, and everything that is needed to say in words what came of it.
 *
 * @module
 */

import { VERSION } from "../chat/protocol.js";
import { isLoopback } from "./address.js";

export const CHECK_MS = 8_000;
/** Whoever says no so fast is there; only the server is not. */
const QUICK_MS = 1_500;

/** @typedef {(asked: {method: string, url: string, body?: any, token?: string, timeout?: number}) => Promise<{status: number, text: string}>} Ask Status 0: nobody answered. */
/** @typedef {"none"|"wifi"|"cellular"|"unknown"} Network */

/**
 * Which computer it is.
 * @typedef {object} Who
 * @property {string} base
 * @property {string} computer
 * @property {string} instance
 * @property {string} host Its `.local` name, or "".
 * @property {number} protocol
 */
/** @typedef {Who & {kind: "ready", model: string}} Ready */
/** @typedef {Who & {kind: "loading", step: string, progress: number|null}} Loading Progress from 0 to 1, null where it is not known. */
/** @typedef {Who & {kind: "failed", code: string}} Failed The model cannot answer; what is stored can be read. */
/** @typedef {{kind: "older"|"newer", base: string, protocol: number}} OtherVersion `older`: the computer's program is older than this client. */
/** @typedef {{kind: "offline", base: string}} Offline The phone is in no network. */
/** @typedef {{kind: "unreachable", base: string, quick: boolean, cellular: boolean, loopback: boolean}} Unreachable */
/** @typedef {{kind: "other", base: string, status: number}} Other Something else answers there. */
/** @typedef {{kind: "misnamed", base: string}} Misnamed The server does not take that name for its own. */
/** @typedef {{kind: "broken", base: string, why: string}} Broken The server runs and could not start its work. */
/** @typedef {Ready|Loading|Failed|OtherVersion|Offline|Unreachable|Other|Misnamed|Broken} Outcome */

/** Whether one can go on with it. @param {Outcome} outcome @returns {outcome is Ready|Loading|Failed} */
export function isOurs(outcome) {
  return outcome.kind === "ready" || outcome.kind === "loading" || outcome.kind === "failed";
}

/**
 * @param {string} base
 * @param {{ask: Ask, clock: () => number, network: () => Promise<Network>}} around
 * @returns {Promise<Outcome>}
 */
export async function check(base, { ask, clock, network }) {
  const began = clock();
  const { status, text } = await ask({ method: "GET", url: `${base}/healthz`, timeout: CHECK_MS });
  if (status) return understood(base, status, text);
  const quick = clock() - began < QUICK_MS;
  const where = await network();
  if (where === "none" && !isLoopback(base)) return { kind: "offline", base };
  return { kind: "unreachable", base, quick, cellular: where === "cellular", loopback: isLoopback(base) };
}

/** Who answers there, without waiting for a model; null for nobody and for others. @param {string} base @param {{ask: Ask}} around @param {number} [timeout] @returns {Promise<Who|null>} */
export async function whoIs(base, { ask }, timeout = CHECK_MS) {
  const { status, text } = await ask({ method: "GET", url: `${base}/healthz?who`, timeout });
  return status ? whoIn(base, parsed(text)) : null;
}

function understood(base, status, text) {
  const body = parsed(text);
  const who = whoIn(base, body);
  if (!who) return stranger(base, status, text);
  if (who.protocol !== VERSION) return { kind: who.protocol < VERSION ? "older" : "newer", base, protocol: who.protocol };
  // It speaks our protocol, and is from before computers had an id.
  if (!who.computer) return { kind: "older", base, protocol: who.protocol };
  if (body.status === "ready") return { ...who, kind: "ready", model: String(body.model ?? "") };
  if (body.status === "loading") return { ...who, kind: "loading", step: String(body.step ?? ""), progress: shareOf(body.progress) };
  return { ...who, kind: "failed", code: String(body.code ?? "") };
}

function whoIn(base, body) {
  if (typeof body?.protocol !== "number" || typeof body.instance !== "string") return null;
  return { base, computer: String(body.computer ?? ""), instance: body.instance, host: String(body.name ?? ""), protocol: body.protocol };
}

/** Our own server's two plain sentences, or something that is none of ours. */
function stranger(base, status, text) {
  if (status === 400 && text.startsWith("This server is not called")) return { kind: "misnamed", base };
  if (status === 503 && text.startsWith("The server could not start")) return { kind: "broken", base, why: text.replace(/^[^:]*:\s*/, "").trim().slice(0, 300) };
  return { kind: "other", base, status };
}

function shareOf(progress) {
  return typeof progress === "number" && progress >= 0 && progress <= 1 ? progress : null;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
