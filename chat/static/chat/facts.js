/**
 * What the thread is to show, from the session's state: the branch that is open, then what was said and is not stored yet.
 *
 * @module
 */

import { activeRun, branches, path, textOf } from "./reducer.js";
import { messageOf } from "./thread.js";
import { words } from "./words.js";

/** The same item gives the same message, so that its view is left alone. @type {Map<string, import("./reducer.js").Message>} */
const pendingMessages = new Map();

/** @param {import("./session.js").Session} session @returns {import("./view.js").Facts[]} In their order. */
export function factsOf(session) {
  return [...storedFacts(session), ...pendingFacts(session)];
}

/** The beginning of what was asked first, until the server has made a title of it. @param {import("./view.js").Facts[]} facts */
export function firstWords(facts) {
  return facts.find(({ message }) => message.role === "user")?.message.content.trim().split("\n")[0].slice(0, 60);
}

function storedFacts(session) {
  const { state } = session;
  const messages = path(state);
  const beside = branches(state);
  const pending = state.pending.filter((item) => item.conversation === state.conversation);
  const idle = !activeRun(state) && !pending.length;
  return messages.map((message, place) => {
    const waiting = pending.find((item) => item.frame.message === message.id);
    const last = idle && place === messages.length - 1;
    const thinks = message.status === "running" && Boolean(message.thinking) && !message.content;
    const waits = waiting && message.role === "assistant" ? whyItWaits(session, waiting, 0, words.continueWaits) : "";
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
function pendingFacts(session) {
  const { pending, conversation } = session.state;
  for (const key of pendingMessages.keys()) if (!pending.some((item) => item.key === key)) pendingMessages.delete(key);
  const said = pending.filter((item) => item.conversation === conversation && textOf(item.frame));
  return said.map((item, place) => {
    const waits = whyItWaits(session, item, place);
    return { message: pendingMessage(item), run: undefined, idle: false, last: false, waits, clock: 0, ...besideOf(item.key) };
  });
}

function pendingMessage(item) {
  if (!pendingMessages.has(item.key)) pendingMessages.set(item.key, messageOf(item));
  return pendingMessages.get(item.key);
}

function whyItWaits(session, item, place, offline = words.saved) {
  if (item.error) return words.refusedForNow(item.error.message);
  if (session.connection.status !== "online") return offline;
  return place ? words.waitsBehind : words.sending;
}
