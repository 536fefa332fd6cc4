/**
 * Colours code that is finished: one piece of code at a time, with time for everything else in between, and none twice.
 *
 * @module
 */

import { bringPrism } from "../platform/prism.js";
import { coloured } from "./colours.js";

/** @typedef {import("./inline.js").Run} Run */

const MOST_KEPT = 60;

/** @type {Map<string, Run[]|null>} */
const kept = new Map();
/** @type {Map<string, {language: string, code: string, calls: ((runs: Run[]|null) => void)[]}>} */
const asked = new Map();
let busy = false;

/** The colours where they are known already. @param {string} language @param {string} code @returns {Run[]|null|undefined} */
export const known = (language, code) => kept.get(`${language}\n${code}`);

/** @param {string} language @param {string} code @param {(runs: Run[]|null) => void} then Called later; with nothing where there are no colours. */
export function colour(language, code, then) {
  const key = `${language}\n${code}`;
  const before = asked.get(key);
  if (before) before.calls.push(then);
  else asked.set(key, { language, code, calls: [then] });
  goOn();
}

async function goOn() {
  if (busy) return;
  busy = true;
  const prism = await bringPrism().catch(() => null);
  while (asked.size) {
    await new Promise((resolve) => setTimeout(resolve));
    const [key, { language, code, calls }] = asked.entries().next().value;
    asked.delete(key);
    const runs = prism && coloured(prism, language, code);
    if (prism) keep(key, runs);
    for (const call of calls) call(runs);
  }
  busy = false;
}

function keep(key, runs) {
  if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
  kept.set(key, runs);
}
