/**
 * How much of the context window a branch takes, and what is to be said of it. Pure.
 *
 * @module
 */

/** @typedef {{used: number, limit: number|null, dropped: number}} Use Tokens; how many of the oldest messages were left out. */

/**
 * What the newest answer of a branch took.
 * @param {import("./reducer.js").Message[]} messages The branch that is shown, as the reducer has it.
 * @param {Record<string, import("./reducer.js").Run>} runs
 * @param {number|null} [window] The context window of the model that answers next, where it is known.
 * @returns {Use|null} Null while nobody knows.
 */
export function useOf(messages, runs, window = null) {
  for (const message of [...messages].reverse()) {
    if (message.role !== "assistant") continue;
    const { promptTokens, completionTokens, contextLimit } = message;
    if (typeof promptTokens !== "number") continue;
    return { used: promptTokens + (completionTokens ?? 0), limit: window ?? contextLimit ?? null, dropped: runs[message.run]?.context?.dropped ?? 0 };
  }
  return null;
}

/** From this share on it is said. */
export const WARN = 0.8;

/** @param {Use} use */
export function percentOf({ used, limit }) {
  return limit ? Math.round((100 * used) / limit) : 0;
}

/** Whether it is worth a look. @param {Use} use */
export function isNearlyFull(use) {
  return percentOf(use) > WARN * 100;
}

/** @typedef {typeof import("./words_settings.js").EN} Words */

/** One sentence, once it gets full. @param {Use} use @param {Words} words */
export function warningOf(use, words) {
  if (use.dropped) return words.meter.dropped(use.dropped);
  const percent = percentOf(use);
  if (percent >= 100) return words.meter.full;
  return isNearlyFull(use) ? words.meter.warn(percent) : "";
}

/** @param {Use|null} one @param {Use|null} other */
export function sameUse(one, other) {
  return one === other || Boolean(one && other && one.used === other.used && one.limit === other.limit && one.dropped === other.dropped);
}
