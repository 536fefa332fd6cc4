/**
 * What the thread is to show, from the session's state: the branch that is open, then what was said and is not stored yet.
 *
 * @module
 */

import { activeRun, branches, path, textOf } from "./reducer.js";

/** The same item gives the same message, so that its view is left alone. @type {Map<string, import("./reducer.js").Message>} */
const pendingMessages = new Map();

/**
 * What one message shows. Compared field by field: the same facts, no work.
 * @typedef {object} Facts
 * @property {import("./reducer.js").Message} message
 * @property {import("./reducer.js").Run|undefined} run
 * @property {boolean} idle Nothing is being written or waits here: it can be answered again.
 * @property {boolean} last The last of the conversation, and nothing is being written: it can be continued.
 * @property {string} waits Why this was not sent yet, or nothing.
 * @property {number} clock Changes each second while the message thinks.
 * @property {number} number Its place among the messages that follow the same one, from 1; 0 where it is the only one.
 * @property {number} count How many those are.
 * @property {string} before The message beside it, to the left, or nothing.
 * @property {string} after The one to the right.
 */
/** @typedef {typeof import("./words_chat.js").EN} Words */

/** @param {import("./session.js").Session} session @param {Words} words @returns {Facts[]} In their order. */
export function factsOf(session, words) {
  return [...storedFacts(session, words), ...pendingFacts(session, words)];
}

/** The beginning of what was asked first, until the server has made a title of it. @param {Facts[]} facts */
export function firstWords(facts) {
  return facts.find(({ message }) => message.role === "user")?.message.content.trim().split("\n")[0].slice(0, 60);
}

function storedFacts(session, words) {
  const { state } = session;
  const messages = path(state);
  const beside = branches(state);
  const pending = state.pending.filter((item) => item.conversation === state.conversation);
  const idle = !activeRun(state) && !pending.length;
  return messages.map((message, place) => {
    const waiting = pending.find((item) => item.frame.message === message.id);
    const last = idle && place === messages.length - 1;
    const thinks = message.status === "running" && Boolean(message.thinking) && !message.content;
    const waits = waiting && message.role === "assistant" ? whyItWaits(session, waiting, 0, words, words.continueWaits) : "";
    const clock = thinks ? Math.floor(Date.now() / 1000) : 0;
    return { message, run: state.runs[message.run], idle, last, waits, clock, ...besideOf(message.id, beside.get(message.id)) };
  });
}

function besideOf(id, ids) {
  if (!ids) return { number: 0, count: 0, before: "", after: "" };
  const place = ids.indexOf(id);
  return { number: place + 1, count: ids.length, before: ids[place - 1] ?? "", after: ids[place + 1] ?? "" };
}

/** What was said and is not stored yet shows at once, below the rest. */
function pendingFacts(session, words) {
  const { pending, conversation } = session.state;
  for (const key of pendingMessages.keys()) if (!pending.some((item) => item.key === key)) pendingMessages.delete(key);
  const said = pending.filter((item) => item.conversation === conversation && textOf(item.frame));
  return said.map((item, place) => {
    const waits = whyItWaits(session, item, place, words);
    return { message: pendingMessage(item), run: undefined, idle: false, last: false, waits, clock: 0, ...besideOf(item.key) };
  });
}

function pendingMessage(item) {
  if (!pendingMessages.has(item.key)) pendingMessages.set(item.key, messageOf(item));
  return pendingMessages.get(item.key);
}

function whyItWaits(session, item, place, words, offline = words.saved) {
  if (item.error) return words.refusedForNow(item.error.message);
  if (session.connection.status !== "online") return offline;
  return place ? words.waitsBehind : words.sending;
}

/** A message as it will be, from what was not sent yet. @param {import("./reducer.js").Pending} item */
export function messageOf(item) {
  const content = textOf(item.frame);
  return { id: item.key, parent: null, conversation: item.conversation, role: "user", content, thinking: "", run: null, status: "done", finishReason: null };
}

/** What happens while there is no text yet. */
export function statusLine(message, run, words) {
  if (!run) return words.reading;
  if (run.status === "queued") return run.position ? words.queued(run.position, run.eta) : words.queuedNext;
  return run.seq <= 0 && !(run.seq < 0 && message.content) ? words.reading : "";
}

/** How an answer ended, where that has to be said. */
export function endingOf(message, words) {
  const nothing = !message.content.trim() && !message.thinking;
  const sentences = { length: words.cut, stopped: words.stopped, interrupted: words.interrupted, error: message.error || words.failure };
  return sentences[message.finishReason] ?? (nothing && message.finishReason === "stop" ? words.empty : "");
}
