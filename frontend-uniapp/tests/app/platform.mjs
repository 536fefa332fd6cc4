/** What a phone gives to an App, given by Node: real requests, real sockets, storage in a file. */

import { readFileSync, renameSync, writeFileSync } from "node:fs";

/** The network that the phone says it is in, and who wants to hear of another. */
export const phone = { network: "wifi", page: "pages/chat/chat", changed: () => {} };

/** What a proxy between would add to each request: on one machine it makes this process somebody else's phone. */
const PASSED_ON = JSON.parse(process.env.PHONE_HEADERS ?? "{}");

class SocketTask {
  constructor({ url, header }) {
    this.socket = new WebSocket(url, { headers: { ...header, ...PASSED_ON } });
  }
  onOpen(call) {
    this.socket.onopen = call;
  }
  onMessage(call) {
    this.socket.onmessage = ({ data }) => call({ data });
  }
  onClose(call) {
    this.socket.onclose = ({ code, reason }) => call({ code, reason });
  }
  onError(call) {
    this.socket.onerror = call;
  }
  send({ data, fail }) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
    else fail?.({});
  }
  close() {
    this.socket.close();
  }
}

async function request({ url, method, data, header, timeout, success, fail }) {
  try {
    const response = await fetch(url, { method, body: data, headers: { ...header, ...PASSED_ON }, signal: AbortSignal.timeout(timeout) });
    success({ statusCode: response.status, data: await response.text() });
  } catch {
    fail({});
  }
}

/** @param {string} file Where this phone keeps what it stores. */
export function installPlatform(file) {
  const stored = new Map(read(file));
  // All or nothing, as a phone's own storage: the process may be killed at any moment.
  const save = () => {
    writeFileSync(`${file}.new`, JSON.stringify([...stored]));
    renameSync(`${file}.new`, file);
  };
  const show = ({ url }) => {
    phone.page = url.slice(1);
  };
  globalThis.uni = {
    request,
    connectSocket: (options) => new SocketTask(options),
    getStorageSync: (name) => stored.get(name) ?? "",
    setStorageSync: (name, text) => {
      stored.set(name, text);
      save();
    },
    removeStorageSync: (name) => {
      stored.delete(name);
      save();
    },
    getStorageInfoSync: () => ({ keys: [...stored.keys()] }),
    getLocale: () => "en",
    getSystemInfoSync: () => ({ deviceBrand: "Node", deviceModel: "Phone" }),
    getNetworkType: ({ success }) => success({ networkType: phone.network }),
    onNetworkStatusChange: (call) => {
      phone.changed = call;
    },
    navigateTo: show,
    redirectTo: show,
    reLaunch: show,
    navigateBack: () => show({ url: "/pages/chat/chat" }),
  };
  globalThis.getCurrentPages = () => [{ route: phone.page }];
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return [];
  }
}
