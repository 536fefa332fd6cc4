/**
 * The life of a connection: connect, notice that it is dead, connect again, resume every unfinished run, send what waits.
 * Nothing of a browser or of uni-app is used here; sockets, timers, storage, clock and chance are handed in.
 *
 * @module
 */

import { Outbox } from "./outbox.js";
import { CLIENT, SERVER, VERSION } from "./protocol.js";
import { chosenParent, initialState, reduce, unfinished } from "./reducer.js";

export const BATCH_MS = 100;
export const CONNECT_TIMEOUT_MS = 10_000;
export const HEARTBEAT_MS = 20_000;
export const PONG_TIMEOUT_MS = 8_000;
/** After a wake-up the connection is probably dead, and the person is looking. */
export const POKE_TIMEOUT_MS = 3_000;
export const BACKOFF_MS = { first: 500, most: 15_000 };
/** So many attempts that the pause is the longest. */
const PATIENT = 10;
/** A run that was asked for and says nothing for so long is asked for from its start. */
export const SILENCE_MS = 4_000;
export const RETRY_MS = { first: 2_000, most: 30_000 };

/**
 * @typedef {object} SocketLike What WebSocket is, as far as it is used.
 * @property {(text: string) => void} send
 * @property {() => void} close
 * @property {(() => void)|null} onopen
 * @property {((event: {data: string}) => void)|null} onmessage
 * @property {((event?: {code?: number}) => void)|null} onclose
 * @property {(() => void)|null} onerror
 */

/**
 * @typedef {object} Surroundings
 * @property {string} url The server's `ws/chat/`, without a query.
 * @property {string} lang
 * @property {(url: string) => SocketLike} socket
 * @property {import("./outbox.js").TextStorage} storage
 * @property {string} [outbox] Its name in the storage: what was said to one owner's computer must not go to another's at the same address.
 * @property {{set(call: () => void, ms: number): any, clear(timer: any): void}} timers
 * @property {() => number} clock Milliseconds.
 * @property {() => number} random From 0 up to 1.
 * @property {() => string} uuid
 * @property {(conversation: string) => void} [onElsewhere] Another device, or another page here, has changed a conversation.
 * @property {(session: Session) => void} onChange Called when there is something new to show; streamed text in batches.
 */

/** @typedef {{status: "connecting"|"online"|"offline", retryAt: number|null}} Connection */

/** The address of the server's socket, from a page's location. @param {{protocol: string, host: string}} location */
export function socketUrl({ protocol, host }) {
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}/ws/chat/`;
}

/** Doubling pauses, with chance in the upper half so that many phones do not come back at once. */
export function pause({ first, most }, attempt, random) {
  return Math.min(most, first * 2 ** attempt) * (0.5 + random() / 2);
}

export class Session {
  /** @param {Surroundings} surroundings */
  constructor(surroundings) {
    this.around = surroundings;
    this.outbox = new Outbox(surroundings.storage, surroundings.outbox);
    this.state = initialState();
    /** @type {Connection} */
    this.connection = { status: "offline", retryAt: null };
    /** @type {SocketLike|null} */
    this.socket = null;
    this.attempt = 0;
    this.heard = 0;
    /** Named timers; setting one again replaces it. @type {Map<string, any>} */
    this.timers = new Map();
    /** Keys that were sent on this connection and not answered yet. @type {Set<string>} */
    this.inFlight = new Set();
    /** How often a key was refused for now. @type {Map<string, number>} */
    this.refusals = new Map();
    /** For each run, behind which frame this connection was asked to resume. @type {Map<string, number>} */
    this.asked = new Map();
    /** Runs that the person stopped while there was no connection. @type {Set<string>} */
    this.stops = new Set();
  }

  // --- for the page -------------------------------------------------------------------------------------------------------------

  start() {
    this.#adopt();
    this.#connect();
  }

  /** End for good. */
  close() {
    this.timers.forEach((timer) => this.around.timers.clear(timer));
    this.timers.clear();
    this.#drop();
    this.connection = { status: "offline", retryAt: null };
  }

  /** The server's sentences come in another language from now on: it learns that when it is connected to. @param {string} lang */
  speak(lang) {
    if (lang === this.around.lang) return;
    this.around.lang = lang;
    if (this.socket) this.#connect();
  }

  /** Show a conversation from the server's own data. */
  load(page) {
    this.#dispatch({ type: "load", page });
    this.#resumeAll();
    this.#changed(true);
  }

  /** Show another conversation, or an empty one. @param {string|null} conversation */
  show(conversation) {
    this.#dispatch({ type: "open", conversation });
    this.#changed(true);
  }

  /**
   * Say something in the conversation that is shown. Returns the key.
   * @param {string} message
   * @param {{options?: import("./protocol.js").Options, parent?: string}} [more]
   */
  say(message, more = {}) {
    if (!this.state.conversation) this.#dispatch({ type: "open", conversation: this.around.uuid() });
    const parent = chosenParent(this.state);
    return this.#post({ type: CLIENT.MESSAGE, message, conversation: this.state.conversation, ...(parent && { parent }), ...more });
  }

  /** Show the branch that begins with this message, one of several that follow the same one. @param {string} message */
  choose(message) {
    this.#dispatch({ type: "choose", message });
    this.#changed(true);
  }

  /** Show the branch that a message is in. @param {string} message */
  reveal(message) {
    this.#dispatch({ type: "reveal", message });
    this.#changed(true);
  }

  /** What the person thinks of an answer; storing it is the caller's (ratings.js). @param {string} message @param {1|-1|0} rating */
  rated(message, rating, comment = "", stored = false) {
    this.#dispatch({ type: "rated", message, rating, comment, stored });
    this.#changed(true);
  }

  /** @param {string} message @param {string} content */
  edit(message, content, more = {}) {
    return this.#post({ type: CLIENT.EDIT, message, content, ...more });
  }

  /** @param {string} message */
  regenerate(message, more = {}) {
    return this.#post({ type: CLIENT.REGENERATE, message, ...more });
  }

  /** @param {string} message */
  continue(message, more = {}) {
    return this.#post({ type: CLIENT.CONTINUE, message, ...more });
  }

  /** End a run; without a connection, as soon as there is one. @param {string} run */
  stop(run) {
    this.stops.add(run);
    if (this.connection.status === "online") this.#send({ type: CLIENT.STOP, run });
  }

  /** Take back what was not sent yet, or forget what was refused. @param {string} key */
  discard(key) {
    this.outbox.remove(key);
    this.#dispatch({ type: "discard", key });
    this.#changed(true);
  }

  /** Something happened: the app came to the front, the network changed. Find out now whether the connection lives. */
  poke() {
    if (this.connection.status === "online") {
      this.#ping(POKE_TIMEOUT_MS);
      this.#retryNow();
    } else if (this.connection.status === "offline" || this.around.clock() - this.heard > POKE_TIMEOUT_MS) {
      this.attempt = 0;
      this.#connect();
    }
  }

  // --- connection ---------------------------------------------------------------------------------------------------------------

  #connect() {
    this.#drop();
    this.#clear("reconnect");
    this.connection = { status: "connecting", retryAt: null };
    this.heard = this.around.clock();
    const socket = this.#newSocket();
    if (!socket) return;
    this.socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#lost(event?.code);
    socket.onerror = () => {}; // `close` follows and says the same
    this.#set("connect", () => this.#lost(), CONNECT_TIMEOUT_MS);
    this.#changed(true);
  }

  #newSocket() {
    const { url, lang, socket } = this.around;
    try {
      return socket(`${url}?v=${VERSION}&lang=${encodeURIComponent(lang)}`);
    } catch {
      this.#lost();
      return null;
    }
  }

  #opened() {
    this.#clear("connect");
    this.connection = { status: "online", retryAt: null };
    this.heard = this.around.clock();
    this.asked.clear();
    this.#ping(PONG_TIMEOUT_MS);
    this.#resumeAll();
    this.stops.forEach((run) => this.#send({ type: CLIENT.STOP, run }));
    this.#flush();
    this.#changed(true);
  }

  /** @param {number} [code] Why the server closed it, if it did: what it refuses now it will refuse in half a second. */
  #lost(code = 0) {
    this.#drop();
    if (code >= 4000) this.attempt = PATIENT;
    const ms = pause(BACKOFF_MS, this.attempt, this.around.random);
    this.attempt += 1;
    this.connection = { status: "offline", retryAt: this.around.clock() + ms };
    this.#set("reconnect", () => this.#connect(), ms);
    this.#changed(true);
  }

  /** Let go of the socket at once: a dead one may take minutes to say that it is closed. */
  #drop() {
    for (const name of [...this.timers.keys()]) if (name !== "batch" && name !== "reconnect") this.#clear(name);
    this.inFlight.clear();
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      socket.close();
    } catch {
      // It was closed already.
    }
  }

  #ping(timeout) {
    this.#send({ type: CLIENT.PING });
    this.#set("pong", () => this.#lost(), timeout);
  }

  /** Anything that arrives shows that the connection lives. */
  #alive() {
    this.heard = this.around.clock();
    this.attempt = 0;
    this.#clear("pong");
    this.#set("heartbeat", () => this.#ping(PONG_TIMEOUT_MS), HEARTBEAT_MS);
  }

  #send(frame) {
    try {
      this.socket?.send(JSON.stringify(frame));
    } catch {
      this.#lost();
    }
  }

  // --- frames -------------------------------------------------------------------------------------------------------------------

  #received(text) {
    this.#alive();
    const frame = parsed(text);
    if (!frame || frame.type === SERVER.PONG) return;
    if (frame.type === SERVER.CHANGED) return this.around.onElsewhere?.(frame.conversation);
    const before = this.state;
    this.#dispatch(frame);
    if (frame.run) this.#clear(`silent ${frame.run}`);
    this.#repair(frame);
    this.#acknowledge(frame);
    if (frame.type === SERVER.END) this.stops.delete(frame.run);
    if (before !== this.state) this.#changed(frame.type !== SERVER.STREAM);
  }

  #dispatch(event) {
    this.state = reduce(this.state, event);
  }

  #resumeAll() {
    if (this.connection.status !== "online") return;
    for (const run of unfinished(this.state)) this.#resume(run.id, run.seq);
  }

  #resume(run, after) {
    if (this.asked.get(run) === after) return;
    this.asked.set(run, after);
    this.#send({ type: CLIENT.RESUME, run, after });
    // A server that lost its last moments in a crash has nothing behind `after`, and so nothing to say.
    if (after >= 0) this.#set(`silent ${run}`, () => this.#replay(run), SILENCE_MS);
  }

  #replay(run) {
    if (this.connection.status !== "online" || this.state.runs[run]?.status === "done") return;
    this.#dispatch({ type: "replay", run });
    this.#resume(run, -1);
  }

  /** Ask for what is missing; for everything, where the server cannot cut at the right place. */
  #repair(frame) {
    const run = frame.run && this.state.runs[frame.run];
    if (!run || !run.gap) return;
    const asked = this.asked.get(run.id);
    if (asked !== run.seq) return this.#resume(run.id, run.seq);
    // Frames that were on their way when it was asked say nothing; an overlap or an end is the server's answer, and no use.
    const answered = run.gap === "overlap" || frame.type === SERVER.END;
    if (answered && asked !== -1) this.#replay(run.id);
  }

  // --- outbox -------------------------------------------------------------------------------------------------------------------

  #post(frame) {
    const key = this.around.uuid();
    const conversation = frame.conversation ?? this.state.messages[frame.message]?.conversation ?? this.state.conversation;
    const item = { key, conversation, frame: { ...frame, key } };
    this.outbox.add(item);
    this.#dispatch({ type: "pending", item });
    this.#flush();
    this.#changed(true);
    return key;
  }

  /** Make the pending ones what the outbox holds: other tabs write there too, and a closed one left something perhaps. */
  #adopt() {
    const items = this.outbox.list();
    const keys = new Set(items.map((item) => item.key));
    for (const { key } of this.state.pending) {
      if (!keys.has(key) && !this.inFlight.has(key)) this.#dispatch({ type: "discard", key });
    }
    for (const item of items) this.#dispatch({ type: "pending", item });
  }

  /** Send what may go now: in each conversation the first, for what follows it must not overtake it. */
  #flush() {
    this.#adopt();
    if (this.connection.status !== "online") return;
    const begun = new Set();
    for (const { key, conversation, frame } of this.state.pending) {
      if (begun.has(conversation)) continue;
      begun.add(conversation);
      if (this.inFlight.has(key) || this.timers.has(key)) continue;
      this.inFlight.add(key);
      this.#send(frame);
    }
  }

  #acknowledge(frame) {
    const { key, type } = frame;
    if (key && [SERVER.QUEUED, SERVER.START, SERVER.NOTICE, SERVER.ERROR].includes(type) && !(type === SERVER.ERROR && frame.run)) {
      this.inFlight.delete(key);
      if (type === SERVER.ERROR && frame.retryable) this.#retryLater(key, frame.retry_after_s);
      else this.outbox.remove(key);
    }
    if (key) this.#flush();
  }

  /** @param {string} key @param {number} [after] Seconds before which the server will not take it. */
  #retryLater(key, after = 0) {
    const refusals = this.refusals.get(key) ?? 0;
    this.refusals.set(key, refusals + 1);
    this.#set(key, () => this.#flush(), Math.max(after * 1000, pause(RETRY_MS, refusals, this.around.random)));
  }

  #retryNow() {
    for (const { key } of this.state.pending) this.#clear(key);
    this.#flush();
  }

  // --- timers and the listener --------------------------------------------------------------------------------------------------

  #set(name, call, ms) {
    this.#clear(name);
    const fire = () => {
      this.timers.delete(name);
      call();
    };
    this.timers.set(name, this.around.timers.set(fire, ms));
  }

  #clear(name) {
    if (!this.timers.has(name)) return;
    this.around.timers.clear(this.timers.get(name));
    this.timers.delete(name);
  }

  /** Tell the listener: at once, or with the text of the next tenth of a second. */
  #changed(now) {
    if (now) {
      this.#clear("batch");
      this.around.onChange(this);
    } else if (!this.timers.has("batch")) {
      this.#set("batch", () => this.around.onChange(this), BATCH_MS);
    }
  }
}

/** @returns {any} The frame, or null for what is none. */
function parsed(text) {
  try {
    const frame = JSON.parse(text);
    return frame && typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}
