/**
 * The client of one server: its session, its list, what is shown. One at a time; the pages read `client`.
 *
 * @module
 */

import { shallowReactive, watch } from "vue";

import { makeApi } from "../chat/api.js";
import { Conversations } from "../chat/conversations.js";
import { factsOf, firstWords } from "../chat/facts.js";
import { Opened } from "../chat/opened.js";
import { Preferences } from "../chat/preferences.js";
import { Ratings } from "../chat/ratings.js";
import { activeRun, path, unfinished } from "../chat/reducer.js";
import { Session } from "../chat/session.js";
import { unsentOf } from "../drawer/rows.js";
import { Place, SureSocket } from "../connect/place.js";
import { request } from "../platform/request.js";
import { openSocket } from "../platform/socket.js";
import { ROOM, storage } from "../platform/storage.js";
import { uuid } from "../platform/uuid.js";
import { closeSettings, Settings } from "../settings/state.js";
import { Keeper } from "../store/keeper.js";
import { toast } from "./overlays.js";
import { language, words } from "./words.js";

/**
 * A computer that this phone knows.
 * @typedef {object} Server
 * @property {string} base Where it is: `http://192.168.1.7:8000`.
 * @property {string} token What this phone shows for itself; nothing where a cookie does.
 * @property {string} owner The person whose conversations these are.
 * @property {string} [id] Which computer it is, wherever it is; nothing: whichever answers first.
 */

/** The server closes a socket so that belongs to nobody: never paired, or shut out since. */
const NOT_PAIRED = 4401;

/**
 * What the pages show. Whole values are replaced, never changed in place: what is the same object is the same thing.
 * @type {{
 *   server: Server|null, unpaired: boolean, online: boolean, connected: boolean, conversation: string|null, title: string, facts: import("../chat/facts.js").Facts[],
 *   run: import("../chat/reducer.js").Run|null, stopping: boolean, running: Set<string>, list: import("../chat/conversations.js").Conversation[],
 *   unsent: import("../drawer/rows.js").Unsent[], hasMore: boolean, problem: string, revealed: {message: string}|null,
 * }}
 */
export const client = shallowReactive({
  server: null,
  unpaired: false,
  online: false,
  connected: false,
  conversation: null,
  title: "",
  facts: [],
  run: null,
  stopping: false,
  running: new Set(),
  list: [],
  unsent: [],
  hasMore: false,
  problem: "",
  revealed: null,
});

/** The parts of the client that is open now. @type {Client|null} */
export let parts = null;

class Client {
  /** @param {Server} server */
  constructor(server) {
    this.server = server;
    this.place = new Place({ base: server.base, id: server.id ?? "", ask: request });
    const api = makeApi(
      (method, route, body) => this.#ask(method, route, body),
      () => words,
    );
    /** Answers as text, not as JSON. */
    this.raw = makeApi(
      async (method, route, body) => {
        const { status, text } = await this.#ask(method, route, body);
        return { status, text: status === 200 ? JSON.stringify(text) : text };
      },
      () => words,
    );
    this.keeper = new Keeper({ storage, owner: server.owner, room: ROOM, api, timers: TIMERS, clock: () => Date.now(), refused: sayRefused });
    this.api = this.keeper.api;
    this.preferences = new Preferences(this.keeper.storage, server.owner);
    this.settings = new Settings({ api: this.api, preferences: this.preferences, tell: (text) => toast({ text }) });
    this.conversations = new Conversations({ api: this.api, onChange: () => this.#showList() });
    this.session = new Session({
      url: socketsOf(server.base),
      lang: spoken(),
      socket: (url) => this.#socket(url),
      storage: this.keeper.storage,
      outbox: `llmsite.${server.owner}.outbox`,
      timers: TIMERS,
      clock: () => Date.now(),
      random: Math.random,
      uuid,
      onElsewhere: (conversation) => this.opened.changed(conversation),
      onChange: () => this.show(),
    });
    this.opened = new Opened({
      session: this.session,
      api: this.api,
      conversations: this.conversations,
      turned: (meta) => this.#turned(meta),
      gone: () => this.#gone(),
      refreshList: () => this.keeper.online(),
    });
    this.ratings = new Ratings({ session: this.session, api: this.api });
    this.keeper.begin({ session: this.session, conversations: this.conversations });
  }

  /** What lies here shows at once; the computer may come later, or not. */
  start() {
    const open = this.keeper.reopen();
    if (open) this.settings.turnTo(open);
    this.session.start();
    this.settings.start();
    if (open && !this.session.state.conversation) this.opened.open(open.id).catch(() => {});
    this.clock = setInterval(() => activeRun(this.session.state) && this.show(), 1000);
  }

  close() {
    clearInterval(this.clock);
    this.keeper.close();
    this.session.close();
    this.settings.close();
  }

  /** Everything of this person that lies on this phone goes: conversations, drafts, what has not gone out. Ends the client. */
  forgetHere() {
    closeServer();
    this.preferences.forgetAll();
  }

  /** The same computer is at another address now: everything goes on there. @param {string} base */
  moveTo(base) {
    if (base === this.place.base) return;
    this.place.moveTo(base);
    this.session.around.url = socketsOf(base);
    this.server = { ...this.server, base };
    client.server = this.server;
    // Also where the old address still answers: requests and the socket go the same way.
    this.session.close();
    this.session.start();
    this.wake();
  }

  /** In front again, or another network: what was missed meanwhile? */
  wake() {
    this.place.doubt();
    this.session.poke();
    this.#catchUp();
  }

  /** In the back, where it may be killed. */
  sleep() {
    this.keeper.now();
  }

  /** Nothing goes to an address where another computer may be by now. */
  async #ask(method, route, body) {
    if (!(await this.place.sure())) return { status: 0, text: "" };
    return request({ method, url: `${this.place.base}/api/${route}`, body, token: this.server.token, lang: language.now });
  }

  /** @param {string} url */
  #socket(url) {
    const socket = new SureSocket(
      () => this.place.sure(),
      () => openSocket(url, this.server.token),
    );
    socket.onended = (code) => {
      this.place.doubt();
      if (code === NOT_PAIRED) client.unpaired = true;
    };
    return socket;
  }

  /** @param {string} text */
  say(text) {
    const { settings, session } = this;
    session.say(text, settings.optionsFor(session.state.conversation));
    settings.turnTo({ id: session.state.conversation });
  }

  /** The language was changed: what the server says and what is shown follow. */
  speak() {
    this.session.speak(spoken());
    this.settings.refresh();
    this.show();
  }

  stop() {
    const run = activeRun(this.session.state);
    if (!run) return;
    this.session.stop(run.id);
    this.show();
  }

  /** @param {string|null} conversation @returns {Promise<boolean>} Whether it is shown. */
  async open(conversation) {
    // The computer has nothing of it yet.
    if (client.unsent.some((one) => one.id === conversation)) return this.session.show(conversation) ?? true;
    const page = conversation && this.keeper.show(conversation);
    if (page) this.settings.turnTo(page);
    try {
      await this.opened.open(conversation);
      return true;
    } catch (error) {
      client.problem = error.status === 404 ? words.gone : error.status ? error.message : words.notHere;
      return false;
    }
  }

  /** A conversation as a file has it. Throws ApiError. @param {string} conversation @param {"markdown"|"json"} format @returns {Promise<string>} */
  exported(conversation, format) {
    return this.raw.get(`conversations/${conversation}/export?format=${format}`);
  }

  /** Show a message that was found, with the branch that it is in. @param {string} message */
  reveal(message) {
    this.session.reveal(message);
    client.revealed = { message };
  }

  /** Everything that the pages show, from the session's state. */
  show() {
    const { session } = this;
    const { state } = session;
    const run = activeRun(state) ?? null;
    const facts = factsOf(session, words);
    this.settings.showUse(path(state), state.runs);
    this.#noticeConnection();
    Object.assign(client, {
      online: session.connection.status === "online",
      connected: client.connected || session.connection.status === "online",
      conversation: state.conversation,
      facts,
      title: this.conversations.find(state.conversation)?.title || firstWords(facts) || "",
      run,
      stopping: Boolean(run && session.stops.has(run.id)),
    });
    this.#noticeRunning(new Set(unfinished(state).map((one) => one.conversation)));
    this.#showUnsent();
    this.keeper.noticed();
  }

  /** Where an answer begins or ends there is something new for the list; where one ends, also for what is kept. */
  #noticeRunning(running) {
    if (sameSet(running, client.running)) return;
    if ([...client.running].some((id) => !running.has(id))) this.keeper.now();
    client.running = running;
    this.keeper.online();
  }

  /** Conversations of which the computer knows nothing yet. */
  #showUnsent() {
    const unsent = unsentOf(this.session.state.pending, (id) => Boolean(this.conversations.find(id)));
    if (JSON.stringify(unsent) !== JSON.stringify(client.unsent)) client.unsent = unsent;
  }

  /** @param {any} meta The server's word on the open conversation, or what little is known of it. */
  #turned(meta) {
    this.settings.turnTo(meta);
    this.keeper.turned(meta);
  }

  /** Whenever there is a connection, also the first: until then nobody told of what changed. */
  #noticeConnection() {
    if (this.session.connection.status === "online" && !client.online) this.#catchUp();
  }

  /** What was done here meanwhile goes out, and what is new comes in. */
  #catchUp() {
    this.opened.refresh();
    this.keeper.online();
    this.settings.online();
  }

  #showList() {
    client.list = this.conversations.items;
    client.hasMore = this.conversations.hasMore;
    client.title = this.conversations.find(client.conversation)?.title || client.title;
  }

  #gone() {
    client.problem = words.gone;
    this.opened.open(null);
  }
}

const TIMERS = { set: (call, ms) => setTimeout(call, ms), clear: (timer) => clearTimeout(timer) };

/** What was done without the computer, and it would not have. */
function sayRefused(_id, fields, why) {
  const sentence = fields.deleted === undefined ? (fields.title === undefined ? words.notPinned : words.notRenamed) : words.notDone;
  toast({ text: sentence(why) });
}

const spoken = () => (language.now === "en" ? "en" : "zh-hans");

watch(
  () => language.now,
  () => parts?.speak(),
);

/** @param {string} base */
function socketsOf(base) {
  return `${base.replace(/^http/, "ws")}/ws/chat/`;
}

function sameSet(one, other) {
  return one.size === other.size && [...one].every((item) => other.has(item));
}

/** Use this server from now on. @param {Server} server */
export function openServer(server) {
  closeServer();
  parts = new Client(server);
  client.server = server;
  parts.start();
  parts.show();
}

export function closeServer() {
  parts?.close();
  parts = null;
  closeSettings();
  const nothing = { server: null, unpaired: false, online: false, connected: false, conversation: null, title: "", facts: [], run: null, stopping: false };
  Object.assign(client, nothing, { running: new Set(), list: [], unsent: [], hasMore: false, revealed: null });
}
