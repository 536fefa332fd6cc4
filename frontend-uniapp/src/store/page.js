/**
 * A conversation as it is kept: in the form in which `GET /api/conversations/{id}` gives it, with what was streamed into it so far.
 *
 * @module
 */

import { leaf } from "../chat/reducer.js";

/** What the server says of a conversation beside its messages. */
const META = ["title", "pinned", "model", "persona", "options", "created_at", "updated_at", "preview"];

/**
 * @typedef {object} Row A message as the API gives it.
 * @property {string} id
 * @property {string|null} parent
 * @property {string} role
 * @property {string} content
 * @property {boolean} running
 * @property {string|null} run
 * @property {number} [seq] The last frame of its run whose text is in it, while it runs: it goes on behind that one.
 */
/** @typedef {{id: string, title?: string, leaf: string|null, shown?: string, messages: Row[]}} Page `shown`: where the branch leads that was open here. */

/** @returns {page is Page} */
export function isPage(page) {
  return typeof page?.id === "string" && Array.isArray(page.messages) && page.messages.every((row) => typeof row?.id === "string" && typeof row.content === "string");
}

/**
 * What the session knows of a conversation; null where that is nothing.
 * @param {import("../chat/reducer.js").State} state
 * @param {string} id
 * @param {object|null} known What the server said of it, where it did.
 * @returns {Page|null}
 */
export function pageOf(state, id, known) {
  const messages = Object.values(state.messages).filter((message) => message.conversation === id);
  if (!messages.length) return null;
  const rows = messages.map((message) => rowOf(message, state.runs[message.run]));
  return { ...metaOf(known), id, leaf: state.leaves[id] ?? null, shown: leaf(state, id)?.id, messages: rows };
}

function metaOf(known) {
  return Object.fromEntries(META.filter((name) => known?.[name] !== undefined).map((name) => [name, known[name]]));
}

/** @param {import("../chat/reducer.js").Message} message @param {import("../chat/reducer.js").Run|undefined} run */
function rowOf(message, run) {
  const running = message.status !== "done";
  return {
    id: message.id,
    parent: message.parent,
    role: message.role,
    content: message.content,
    thinking: message.thinking,
    thinking_s: message.thinkingS,
    rating: message.rating,
    comment: message.comment,
    run: message.run,
    running,
    finish_reason: message.finishReason ?? "",
    error: message.error,
    model: message.model,
    prompt_tokens: message.promptTokens,
    completion_tokens: message.completionTokens,
    context_limit: message.contextLimit,
    tokens_per_second: message.tokensPerSecond,
    ...(running && run && run.seq >= 0 && { seq: run.seq }),
  };
}

/** The branch that is open, without the others: for what would be too long to be kept. @param {Page} page @returns {Page} */
export function openBranch(page) {
  const rows = new Map(page.messages.map((row) => [row.id, row]));
  const messages = [];
  for (let row = rows.get(page.shown ?? page.leaf); row; row = rows.get(row.parent)) messages.unshift(row);
  return { ...page, messages };
}
