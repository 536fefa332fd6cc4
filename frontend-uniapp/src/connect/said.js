/**
 * What came of an attempt, in words: what is the matter, and what to do about it, the likeliest first.
 *
 * @module
 */

import { hostOf, portOf, shownBase } from "./address.js";
import { nameOf } from "./servers.js";

/** @typedef {{title: string, text: string, todo: string[]}} Said */

/**
 * @param {import("./check.js").Outcome|import("./connecting.js").LostOutcome} outcome
 * @param {import("../app/words.js").Words} words
 * @param {{isApp: boolean}} form A page has nothing to compare: it came from that address.
 * @returns {Said}
 */
export function saidOf(outcome, words, { isApp }) {
  const { says, todo } = words;
  const at = shownBase(outcome.base);
  const say = (title, ...lines) => ({ title, text: "", todo: lines.filter(Boolean) });
  const reach = (...first) => [...first, todo.sameNetwork, todo.firewall(portOf(outcome.base)), isApp && todo.compare];
  switch (outcome.kind) {
    case "offline":
      return say(says.offline, todo.join);
    case "unreachable":
      if (outcome.loopback && isApp) return say(says.unreachable(at), todo.loopback);
      if (!isApp) return say(says.ownAway, todo.running, todo.sameNetwork);
      if (outcome.quick) return say(says.refusedThere(at), outcome.cellular && todo.cellular, todo.running, todo.compare, todo.sameNetwork);
      return say(says.unreachable(at), ...reach(outcome.cellular && todo.cellular, todo.running));
    case "lost":
      if (outcome.strange) return say(says.strange(nameOf(outcome.known)), todo.scanAgain, todo.sameNetwork);
      return say(says.lost(nameOf(outcome.known)), todo.running, todo.sameNetwork, todo.scanAgain);
    case "other":
      return say(says.other(at), todo.compare, todo.login);
    case "misnamed":
      return say(says.misnamed(hostOf(outcome.base)), todo.numbers);
    case "broken":
      return { ...say(says.broken, todo.terminal), text: says.brokenWhy(outcome.why) };
    case "failed":
      return say(says.failed, todo.terminal, todo.read);
    case "older":
      return say(says.older, todo.updateComputer);
    case "newer":
      return say(says.newer, isApp ? todo.updateApp : todo.reload);
    default:
      return say("");
  }
}

/** Why a code did not work. @param {import("./connecting.js").Refusal} refusal @param {import("../app/words.js").Words} words */
export function refusalOf(refusal, words) {
  if (refusal.kind === "refused") return words.pairRefused;
  if (refusal.kind === "wait") return words.pairWait(refusal.seconds);
  return refusal.message || words.pairFailed(refusal.status);
}

/** Why it is no address. @param {import("./address.js").NoAddress} no @param {import("../app/words.js").Words} words */
export function noAddressOf({ why, got }, words) {
  const said = words.noAddress[why];
  return typeof said === "function" ? said(got) : said;
}

const STEPS = [
  [86_400_000, "days"],
  [3_600_000, "hours"],
  [60_000, "minutes"],
];

/** How long it is past, in one unit. @param {number} ms @param {import("../app/words.js").Words} words */
export function agoOf(ms, words) {
  const step = STEPS.find(([unit]) => ms >= unit);
  return step ? words.ago[step[1]](Math.floor(ms / step[0])) : words.ago.now;
}
