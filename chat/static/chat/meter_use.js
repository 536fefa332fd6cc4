/**
 * How much of the context window a branch takes. Pure.
 *
 * @module
 */

/** @typedef {{used: number, limit: number|null, dropped: number}} Use Tokens; how many of the oldest messages were left out. */

/**
 * What the newest answer of a branch took.
 * @param {any[]} messages The branch that is shown, as the reducer has it.
 * @param {Record<string, any>} runs
 * @param {number|null} [window] The context window of the model that answers next, where it is known.
 * @returns {Use|null} Null while nobody knows.
 */
export function useOf(messages, runs, window = null) {
  for (const message of [...messages].reverse()) {
    if (message.role !== "assistant") continue;
    const run = runs[message.run];
    const prompt = run?.usage?.prompt_tokens ?? run?.context?.used ?? message.prompt_tokens;
    if (typeof prompt !== "number") continue;
    const written = run?.usage?.completion_tokens ?? message.completion_tokens ?? 0;
    return { used: prompt + written, limit: window ?? run?.context?.limit ?? message.context_limit ?? null, dropped: run?.context?.dropped ?? 0 };
  }
  return null;
}
