/**
 * A socket as the session wants it, on every platform.
 *
 * @module
 */

/**
 * @param {string} url
 * @param {string} [token] What the phone shows for itself; a browser shows its cookie.
 * @returns {import("../chat/session.js").SocketLike}
 */
export function openSocket(url, token) {
  // #ifdef H5
  return new WebSocket(url);
  // #endif
  // #ifndef H5
  return new TaskSocket(url, token);
  // #endif
}

// #ifndef H5
/** What `uni.connectSocket` gives, in the shape of a WebSocket. */
class TaskSocket {
  constructor(url, token) {
    /** @type {(() => void)|null} */ this.onopen = null;
    /** @type {((event: {data: string}) => void)|null} */ this.onmessage = null;
    /** @type {((event?: {code?: number}) => void)|null} */ this.onclose = null;
    /** @type {(() => void)|null} */ this.onerror = null;
    this.ended = false;
    const header = token ? { Authorization: `Bearer ${token}` } : {};
    // Without a callback uni-app gives a promise instead of the task.
    this.task = uni.connectSocket({ url, header, fail: () => this.#end(), complete: () => {} });
    this.task.onOpen(() => this.onopen?.());
    this.task.onMessage(({ data }) => this.onmessage?.({ data: String(data) }));
    this.task.onClose((event) => this.#end(event));
    // A connection that was never made has an error and, on some platforms, no close.
    this.task.onError(() => this.#end());
  }

  send(text) {
    this.task.send({ data: text, fail: () => this.#end() });
  }

  close() {
    this.task.close({});
  }

  #end(event) {
    if (this.ended) return;
    this.ended = true;
    this.onclose?.({ code: event?.code });
  }
}
// #endif
