/**
 * Asks the worker for colours. At most one code at a time is with it; what takes too long stays without colours.
 *
 * @module
 */

const MOST_CHARS = 20_000;
const MOST_MS = 3_000;
const MOST_KEPT = 60;

/** @typedef {[number, string][]} Runs Length and kind of each piece. */

/** @type {Map<string, Runs|null>} */
const kept = new Map();
/** @type {Map<string, {language: string, code: string, then: ((runs: Runs|null) => void)[]}>} */
const asked = new Map();
let worker = null;
let current = "";
let timer = 0;

/** The colours where they are known already. @returns {Runs|null|undefined} */
export const known = (language, code) => kept.get(`${language}\n${code}`);

export const isColoured = (language, code) => Boolean(language) && code.length <= MOST_CHARS;

/** @param {string} language @param {string} code @param {(runs: Runs|null) => void} then Called later, in any case. */
export function colour(language, code, then) {
  const key = `${language}\n${code}`;
  const before = asked.get(key);
  if (before) before.then.push(then);
  else asked.set(key, { language, code, then: [then] });
  goOn();
}

function goOn() {
  if (current || !asked.size) return;
  const [key, { language, code }] = asked.entries().next().value;
  current = key;
  try {
    worker ??= start();
  } catch {
    return answer(null);
  }
  worker.postMessage({ id: key, language, code });
  timer = setTimeout(giveUp, MOST_MS);
}

function start() {
  const made = new Worker(new URL("./highlighter.js", import.meta.url), { type: "module" });
  made.onmessage = ({ data }) => data.id === current && answer(data.runs);
  made.onerror = giveUp;
  return made;
}

/** It hangs, or could not be loaded. */
function giveUp() {
  worker?.terminate();
  worker = null;
  answer(null);
}

function answer(runs) {
  clearTimeout(timer);
  const { then = [] } = asked.get(current) ?? {};
  asked.delete(current);
  if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
  kept.set(current, runs);
  current = "";
  for (const call of then) call(runs);
  goOn();
}
