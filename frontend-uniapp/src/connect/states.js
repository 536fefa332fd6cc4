/**
 * How each of the remembered computers is just now.
 *
 * @module
 */

import { check } from "./check.js";
import { findAgain } from "./find.js";

/** @typedef {{kind: "asking"|"ready"|"loading"|"failed"|"version"|"away"|"strange", progress: number|null}} ServerState */

/**
 * @param {import("./servers.js").Known} known
 * @param {Pick<import("./connecting.js").Around, "ask"|"network"|"timers"|"clock">} around
 * @returns {Promise<ServerState>} Nothing of the phone is shown to whoever answers.
 */
export async function stateOf(known, around) {
  const found = await findAgain(known, around);
  if (found.kind === "lost") return { kind: found.strangers.length ? "strange" : "away", progress: null };
  const outcome = await check(found.base, around);
  if (outcome.kind === "loading") return { kind: "loading", progress: outcome.progress };
  if (outcome.kind === "ready" || outcome.kind === "failed") return { kind: outcome.kind, progress: null };
  return { kind: outcome.kind === "older" || outcome.kind === "newer" ? "version" : "away", progress: null };
}
