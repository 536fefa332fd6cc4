/**
 * The chat page: puts the session (shared with the phone client), the thread, the field, the list and the settings together.
 *
 * @module
 */

import { Composer } from "./composer.js";
import { Conversations } from "./conversations.js";
import { byId, make, uuid } from "./dom.js";
import { factsOf, firstWords } from "./facts.js";
import { openMenu } from "./menu.js";
import { Opened } from "./opened.js";
import { api } from "./page_api.js";
import { Ratings } from "./ratings.js";
import { activeRun, path, textOf, unfinished } from "./reducer.js";
import { Scroll } from "./scroll.js";
import { Session, socketUrl } from "./session.js";
import { Settings } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";
import { fill, words } from "./words.js";

/** A connection that is away for less is not worth a word. */
const OFFLINE_MS = 1_000;

const data = JSON.parse(byId("data").textContent);
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
  onElsewhere: (conversation) => opened.changed(conversation),
  onChange: render,
});
const scroll = new Scroll();
const composer = new Composer({ send, stop, edit: (id, text) => session.edit(id, text) }, data);
const conversations = new Conversations({ api, onChange: () => showTitle() });
const settings = new Settings({ api, data, say: (sentence) => composer.say(sentence), onChange: showModel, keep: () => composer.keep() });
const opened = new Opened({ session, api, conversations, turned: (meta) => settings.turnTo(meta), gone: wasDeleted });
const ratings = new Ratings({ session, api });
const sidebar = new Sidebar({ conversations, onOpen: open, onNew: () => open(null) });
const thread = new Thread(byId("thread"), {
  regenerate: (id) => session.regenerate(id),
  choices: (id, button) => answerWith(id, button),
  continue: (id) => session.continue(id),
  edit: (message) => composer.edit(message),
  takeBack: (key) => takeBack(key),
  choose: (id) => opened.choose(id),
  rate: (id, rating, comment) => rate(id, rating, comment),
});

// --- what is shown ----------------------------------------------------------------------------------------------------------------

let writing = "";
/** @type {import("./facts.js").Facts[]} */
let facts = [];

function render() {
  const { state } = session;
  takeRefusals();
  const run = activeRun(state);
  facts = factsOf(session, words);
  byId("welcome").hidden = facts.length > 0;
  thread.show(facts);
  composer.turnTo(state.conversation);
  composer.setRunning(Boolean(run), session.stops.has(run?.id));
  settings.showUse(path(state), state.runs);
  showTitle();
  showConnection();
  scroll.follow();
  noticeEnd(run);
}

function showTitle() {
  const { state } = session;
  const title = conversations.find(state.conversation)?.title || firstWords(facts);
  byId("title").textContent = title || words.untitled;
  document.title = title ? `${title} · llmsite` : "llmsite";
  sidebar.show(state.conversation, new Set(unfinished(state).map((one) => one.conversation)));
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
let wasOnline = false;

function showConnection() {
  const online = session.connection.status === "online";
  document.body.classList.toggle("away", !online);
  if (online && !wasOnline) back();
  wasOnline = online;
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

let connected = false;

/** Connected, perhaps again: what was missed meanwhile. */
function back() {
  if (connected) catchUp();
  else missedSoFar().catch(catchUp);
  connected = true;
}

function catchUp() {
  settings.online();
  opened.refresh();
  conversations.refresh().catch(() => {});
}

/** What has changed since the server made the page: until now nobody told it. */
async function missedSoFar() {
  const { items, more } = await conversations.follow(data.changes);
  if (more) await conversations.refresh();
  if (more || items.some(({ id }) => id === session.state.conversation)) await opened.refresh();
}

function noticeEnd(run) {
  const ended = writing && writing !== run?.id && session.state.runs[writing]?.status === "done";
  writing = run?.id ?? "";
  if (ended) byId("said").textContent = words.complete;
}

function showModel() {
  const { name, remote } = settings.model;
  byId("welcome-model").textContent = name;
  byId("welcome-where").textContent = remote ? words.welcomeRemote : words.welcomeHere;
  document.body.classList.toggle("one-model", settings.models.length < 2);
  settings.showUse(path(session.state), session.state.runs);
}

function showSuggestions() {
  const button = (text) => make("button", { type: "button", className: "suggestion", onclick: () => send(text) }, text);
  byId("suggestions").replaceChildren(...words.suggestions.map((text) => make("li", {}, button(text))));
}

// --- what people do ---------------------------------------------------------------------------------------------------------------

function send(text) {
  const fresh = !session.state.conversation;
  session.say(text, settings.optionsFor(session.state.conversation));
  if (fresh) {
    history.replaceState(null, "", `/?c=${session.state.conversation}`);
    settings.turnTo({ id: session.state.conversation });
  }
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

/** Shown at once, and taken back where it cannot be stored. */
async function rate(id, rating, comment) {
  try {
    await ratings.rate(id, rating, comment);
  } catch (error) {
    composer.say(words.notRated(error.message));
  }
}

/** Another model may answer the same. */
function answerWith(id, button) {
  const items = settings.picker.menuItems((model) => session.regenerate(id, { model }));
  openMenu({ label: words.answerWith, items, at: button, from: button });
}

// --- turning from one conversation to another -----------------------------------------------------------------------------------------

/** @param {string|null} conversation @param {string} [message] To be shown there. */
async function open(conversation, message, remember = true) {
  sidebar.toggle(false);
  const address = conversation ? `/?c=${conversation}` : "/";
  try {
    scroll.restart();
    await opened.open(conversation);
  } catch (error) {
    return composer.say(error.status === 404 ? words.gone : error.message);
  }
  if (remember && address !== location.pathname + location.search) history.pushState(null, "", address);
  if (message) show(message);
  else if (!composer.touch) composer.field.focus();
}

function show(message) {
  scroll.stay();
  session.reveal(message);
  thread.reveal(message);
}

function wasDeleted() {
  composer.say(words.gone);
  history.replaceState(null, "", "/");
  opened.open(null);
}

addEventListener("popstate", () => open(new URLSearchParams(location.search).get("c"), undefined, false));
addEventListener("online", () => session.poke());
addEventListener("pageshow", (event) => event.persisted && wake());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());

/** The page is in front again: another tab or phone may have gone on. */
function wake() {
  session.poke();
  opened.refresh();
  conversations.refresh().catch(() => {});
  settings.refresh();
}

/** The conversation in the address; it may be one whose first message still waits here. */
function begin() {
  conversations.load(data.conversations);
  const wanted = new URLSearchParams(location.search).get("c");
  if (data.conversation) {
    session.load(data.conversation);
    settings.turnTo(data.conversation);
  } else if (session.outbox.list().some((item) => item.conversation === wanted)) {
    session.show(wanted);
    settings.turnTo({ id: wanted });
  } else if (wanted) {
    history.replaceState(null, "", "/");
  }
}

// --- begin ------------------------------------------------------------------------------------------------------------------------

showModel();
showSuggestions();
begin();
session.start();
render();
setInterval(() => activeRun(session.state) && render(), 1000);
if (!composer.touch) composer.field.focus();
