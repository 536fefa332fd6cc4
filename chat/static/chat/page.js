/**
 * The chat page: puts the session (shared with the phone client), the thread, the field and the list together.
 *
 * @module
 */

import { Composer } from "./composer.js";
import { byId, make, uuid } from "./dom.js";
import { activeRun, path, textOf, unfinished } from "./reducer.js";
import { Scroll } from "./scroll.js";
import { Session, socketUrl } from "./session.js";
import { Sidebar } from "./sidebar.js";
import { messageOf, Thread } from "./thread.js";
import { fill, words } from "./words.js";

/** A connection that is away for less is not worth a word. */
const OFFLINE_MS = 1_000;
const LOADING_MS = 1_500;

let data = JSON.parse(byId("data").textContent);
fill(document);

const session = new Session({
  url: socketUrl(location),
  lang: data.lang,
  socket: (url) => new WebSocket(url),
  storage: { getItem: (name) => localStorage.getItem(name), setItem: (name, text) => localStorage.setItem(name, text) },
  outbox: `llmsite.${data.owner}.outbox`,
  timers: { set: (call, ms) => setTimeout(call, ms), clear: (timer) => clearTimeout(timer) },
  clock: () => Date.now(),
  random: Math.random,
  uuid,
  onChange: render,
});
const scroll = new Scroll();
const sidebar = new Sidebar();
const thread = new Thread(byId("thread"), {
  regenerate: (id) => session.regenerate(id),
  continue: (id) => session.continue(id),
  edit: (message) => composer.edit(message),
  takeBack: (key) => takeBack(key),
});
const composer = new Composer({ send, stop, edit: (id, text) => session.edit(id, text) }, data);

// --- what is shown ----------------------------------------------------------------------------------------------------------------

let writing = "";

function render() {
  const { state } = session;
  takeRefusals();
  const { conversation } = state;
  const run = activeRun(state);
  const facts = [...storedFacts(run), ...pendingFacts()];
  byId("welcome").hidden = facts.length > 0;
  thread.show(facts);
  composer.turnTo(conversation);
  composer.setRunning(Boolean(run), session.stops.has(run?.id));
  const title = data.conversations.find((one) => one.id === conversation)?.title || firstWords(facts);
  byId("title").textContent = title || words.untitled;
  document.title = title ? `${title} · llmsite` : "llmsite";
  sidebar.show(data.conversations, conversation, new Set(unfinished(state).map((one) => one.conversation)));
  showConnection();
  scroll.follow();
  noticeEnd(run);
}

function storedFacts(run) {
  const { state } = session;
  const messages = path(state);
  const pending = state.pending.filter((item) => item.conversation === state.conversation);
  const idle = !run && !pending.length;
  return messages.map((message, place) => {
    const waiting = pending.find((item) => item.frame.message === message.id);
    const last = idle && (message.role === "user" || place === messages.length - 1);
    const thinks = message.status === "running" && Boolean(message.thinking) && !message.content;
    const waits = waiting && message.role === "assistant" ? whyItWaits(waiting, 0, words.continueWaits) : "";
    return { message, run: state.runs[message.run], last, waits, clock: thinks ? Math.floor(Date.now() / 1000) : 0 };
  });
}

/** What was said and is not stored yet shows at once, below the rest. */
function pendingFacts() {
  const { pending, conversation } = session.state;
  const said = pending.filter((item) => item.conversation === conversation && textOf(item.frame));
  return said.map((item, place) => ({ message: pendingMessage(item), run: undefined, last: false, waits: whyItWaits(item, place), clock: 0 }));
}

const pendingMessages = new Map();

/** The same item gives the same message, so that its view is left alone. */
function pendingMessage(item) {
  if (!pendingMessages.has(item.key)) pendingMessages.set(item.key, messageOf(item));
  return pendingMessages.get(item.key);
}

function whyItWaits(item, place, offline = words.saved) {
  if (item.error) return words.refusedForNow(item.error.message);
  if (session.connection.status !== "online") return offline;
  return place ? words.waitsBehind : words.sending;
}

function firstWords(facts) {
  return facts.find(({ message }) => message.role === "user")?.message.content.trim().split("\n")[0].slice(0, 60);
}

/** What the server will not take comes back into the field. */
function takeRefusals() {
  const [refused] = session.state.refused;
  if (refused) {
    session.discard(refused.key); // renders, and so takes those behind it
    composer.refused(refused.error.message, textOf(refused.frame));
  }
  const { problem } = session.state;
  if (problem && problem !== told) composer.say(problem.message);
  told = problem;
}

let told = null;
let offlineTimer = 0;

function showConnection() {
  const online = session.connection.status === "online";
  document.body.classList.toggle("away", !online);
  if (online) {
    clearTimeout(offlineTimer);
    offlineTimer = 0;
    byId("offline").hidden = true;
  } else {
    offlineTimer ||= setTimeout(() => {
      byId("offline").textContent = words.offline;
      byId("offline").hidden = false;
    }, OFFLINE_MS);
  }
}

function noticeEnd(run) {
  const ended = writing && writing !== run?.id && session.state.runs[writing]?.status === "done";
  writing = run?.id ?? "";
  if (!ended) return;
  byId("said").textContent = words.complete;
  refresh();
}

function showModel() {
  const { name, state, remote } = data.model;
  const where = remote ? words.remote : words.here;
  const percent = data.model.progress ? Math.round(data.model.progress * 100) : 0;
  byId("model").textContent = { ready: `${name} · ${where}`, failed: `${name} ${words.failed}` }[state] ?? `${name} ${words.loading(percent)}`;
  byId("welcome-model").textContent = name;
  byId("welcome-where").textContent = remote ? words.welcomeRemote : words.welcomeHere;
}

function showSuggestions() {
  const button = (text) => make("button", { type: "button", className: "suggestion", onclick: () => send(text) }, text);
  byId("suggestions").replaceChildren(...words.suggestions.map((text) => make("li", {}, button(text))));
}

// --- what people do ---------------------------------------------------------------------------------------------------------------

function send(text) {
  const fresh = !session.state.conversation;
  session.say(text);
  if (fresh) history.replaceState(null, "", `/?c=${session.state.conversation}`);
  scroll.toEnd();
}

function stop() {
  const run = activeRun(session.state);
  if (!run) return;
  session.stop(run.id);
  render();
}

function takeBack(key) {
  const item = session.state.pending.find((one) => one.key === key);
  session.discard(key);
  if (item) composer.putBack(textOf(item.frame));
}

// --- turning from one conversation to another -----------------------------------------------------------------------------------------

/** The page's data from the server, or null when it cannot be reached. */
async function fetchData(conversation) {
  try {
    const response = await fetch(conversation ? `/?c=${conversation}` : "/", { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

async function open(conversation, remember = true) {
  sidebar.toggle(false);
  const fresh = conversation ? await fetchData(conversation) : null;
  const known = path(session.state, conversation).length > 0;
  if (conversation && !fresh?.conversation && !known) return composer.say(words.unreachable);
  if (remember) history.pushState(null, "", conversation ? `/?c=${conversation}` : "/");
  scroll.restart();
  if (fresh?.conversation) {
    data = { ...data, ...fresh };
    session.load(fresh.conversation);
  } else {
    session.show(conversation);
  }
  if (!composer.touch) composer.field.focus();
}

/** Another tab or phone may have gone on. What is being written here is left alone. */
async function refresh() {
  const { conversation } = session.state;
  const fresh = await fetchData(conversation);
  if (!fresh || session.state.conversation !== conversation) return;
  data = { ...data, ...fresh };
  showModel();
  const busy = session.state.pending.length || activeRun(session.state);
  if (fresh.conversation && !busy) session.load(fresh.conversation);
  else render();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-open], a[data-new]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  open(link.dataset.open ?? null);
});

addEventListener("popstate", () => open(new URLSearchParams(location.search).get("c"), false));
addEventListener("online", () => session.poke());
addEventListener("pageshow", (event) => event.persisted && wake());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());

function wake() {
  session.poke();
  refresh();
}

/** Says how far the model is; ends when it is there. */
async function watchLoading() {
  while (data.model.state === "loading") {
    await new Promise((resolve) => setTimeout(resolve, LOADING_MS));
    const health = await fetch("/healthz")
      .then((response) => response.json())
      .catch(() => null);
    if (health) data.model = { ...data.model, state: health.status, progress: health.progress };
    showModel();
  }
}

/** The conversation in the address; it may be one whose first message still waits here. */
function begin() {
  const wanted = new URLSearchParams(location.search).get("c");
  if (data.conversation) session.load(data.conversation);
  else if (session.outbox.list().some((item) => item.conversation === wanted)) session.show(wanted);
  else if (wanted) history.replaceState(null, "", "/");
}

// --- begin ------------------------------------------------------------------------------------------------------------------------

showModel();
showSuggestions();
begin();
session.start();
render();
watchLoading();
setInterval(() => activeRun(session.state) && render(), 1000);
if (!composer.touch) composer.field.focus();
