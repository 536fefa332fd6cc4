/**
 * How much of the context window a branch takes. Pure.
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
