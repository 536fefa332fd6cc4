/**
 * Where the open computer is, and the certainty that it is still that one: hotspots give the same address to many computers, and what this phone
 * shows for itself, or has to say, is for one of them.
 *
 * @module
 */

import { whoIs } from "./check.js";

/** So long is believed what was seen, while nothing hints that the network has changed. */
export const FRESH_MS = 15_000;
export const LOOK_MS = 6_000;

export class Place {
  /** @param {{base: string, id: string, ask: import("./check.js").Ask, clock?: () => number}} given Without an id, whoever answers first is the one. */
  constructor({ base, id, ask, clock = Date.now }) {
    this.base = base;
    this.id = id;
    this.ask = ask;
    this.clock = clock;
    /** Its `.local` name, as it said last. */
    this.host = "";
    /** Another computer has the address. */
    this.strange = false;
    this.seen = -Infinity;
    /** @type {Promise<boolean>|null} */
    this.looking = null;
    /** Called whenever it was there. */
    this.onSeen = () => {};
  }

  /** The connection broke, or the network changed: look again before anything is sent. */
  doubt() {
    this.seen = -Infinity;
    this.looking = null;
  }

  /** @param {string} base */
  moveTo(base) {
    this.base = base;
    this.strange = false;
    this.doubt();
  }

  /** Whether the computer is there and is that one. Callers at the same time share one look. @returns {Promise<boolean>} */
  sure() {
    if (this.clock() - this.seen < FRESH_MS) return Promise.resolve(true);
    if (!this.looking) {
      const looking = this.#look().finally(() => {
        if (this.looking === looking) this.looking = null;
      });
      this.looking = looking;
    }
    return this.looking;
  }

  async #look() {
    const { base } = this;
    const who = await whoIs(base, { ask: this.ask }, LOOK_MS).catch(() => null);
    if (base !== this.base) return this.sure();
    if (!who) return false;
    if (!this.id) this.id = who.computer;
    this.strange = who.computer !== this.id;
    if (this.strange) return false;
    this.seen = this.clock();
    this.host = who.host;
    this.onSeen();
    return true;
  }
}

/** A socket that is opened only when the place is sure; until then and else it is one that does not connect. @implements {import("../chat/session.js").SocketLike} */
export class SureSocket {
  /** @param {() => Promise<boolean>} sure @param {() => import("../chat/session.js").SocketLike} open */
  constructor(sure, open) {
    /** @type {(() => void)|null} */ this.onopen = null;
    /** @type {((event: {data: string}) => void)|null} */ this.onmessage = null;
    /** @type {((event?: {code?: number}) => void)|null} */ this.onclose = null;
    /** @type {(() => void)|null} */ this.onerror = null;
    /** Besides the session: it did not connect, or it is over. @type {((code: number) => void)|null} */
    this.onended = null;
    /** @type {import("../chat/session.js").SocketLike|null} */
    this.inner = null;
    this.ended = false;
    sure().then((isSure) => {
      if (this.ended) return;
      if (isSure) this.#begin(open);
      else this.#end();
    });
  }

  send(text) {
    this.inner?.send(text);
  }

  close() {
    if (!this.ended) this.onended?.(0);
    this.ended = true;
    this.inner?.close();
  }

  #begin(open) {
    try {
      this.inner = open();
    } catch {
      return this.#end();
    }
    this.inner.onopen = () => this.onopen?.();
    this.inner.onmessage = (event) => this.onmessage?.(event);
    this.inner.onclose = (event) => this.#end(event);
    this.inner.onerror = () => this.onerror?.();
  }

  #end(event) {
    if (this.ended) return;
    this.ended = true;
    this.onended?.(event?.code ?? 0);
    this.onclose?.(event);
  }
}
