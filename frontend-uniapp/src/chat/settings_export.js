/**
 * All conversations of a person in one file, as the list can import it again.
 *
 * @module
 */

import { withQuery } from "./query.js";

/** Between two requests: a person may ask for some hundred in a minute, and this page has other things to ask as well. */
export const PACE_MS = 100;
export const RETRY_MS = 5_000;
const PAGE = 50;

/**
 * Every conversation as the server exports it, one by one. A refusal because of too many requests is waited out; what is deleted meanwhile
 * is left out; anything else ends it.
 * @param {{get(path: string): Promise<any>}} api
 * @param {(ms: number) => Promise<void>} wait
 * @param {(done: number) => void} tell How many are there.
 * @returns {Promise<any[]>}
 */
export async function exportAll(api, wait, tell) {
  const conversations = [];
  let cursor = "";
  do {
    const page = await patient(api, wait, withQuery("conversations", { limit: PAGE, cursor }));
    for (const { id } of page.items) {
      const one = await patient(api, wait, `conversations/${id}/export?format=json`).catch(orNothing);
      if (one) conversations.push(one);
      tell(conversations.length);
      await wait(PACE_MS);
    }
    cursor = page.next;
  } while (cursor);
  return conversations;
}

async function patient(api, wait, path) {
  for (;;) {
    try {
      return await api.get(path);
    } catch (error) {
      if (error.status !== 429) throw error;
      await wait(RETRY_MS);
    }
  }
}

function orNothing(error) {
  if (error.status !== 404) throw error;
  return null;
}
