/**
 * How the client begins, and how it finds its computer again: which one it talks to, where that is now, or the way to one.
 *
 * @module
 */

import { shallowReactive, watch } from "vue";

import { Connecting } from "../connect/connecting.js";
import { findAgain } from "../connect/find.js";
import { whoAmI } from "../connect/pairing.js";
import { Servers } from "../connect/servers.js";
import { isApp } from "../platform/form.js";
import { networkNow, onNetworkChange } from "../platform/network.js";
import { request } from "../platform/request.js";
import { storage } from "../platform/storage.js";
import { phoneName } from "../platform/system.js";
import { client, closeServer, openServer, parts } from "./client.js";
import { language } from "./words.js";

const CHAT = "/pages/chat/chat";
const CONNECT = "/pages/connect/connect";
/** Who has no connection for so long may have to look for it elsewhere. */
const AWAY_MS = 4_000;
const LOOK_AGAIN_MS = { first: 10_000, most: 60_000 };
/** So long is waited at the start for a computer that does not answer; then what is stored is shown. */
const START_MS = 4_000;

/** After the first picture. */
const PAGES_MS = 1_000;

export const servers = new Servers(storage);

/** What the modules of connect/ stand on. */
export const around = {
  ask: (asked) => request({ lang: language.now, ...asked }),
  network: networkNow,
  servers,
  timers: { set: (call, ms) => setTimeout(call, ms), clear: (timer) => clearTimeout(timer) },
  clock: () => Date.now(),
  phone: phoneName,
};

/** Where the way to a computer stands, for the page that shows it. */
export const way = shallowReactive({ /** @type {import("../connect/connecting.js").State} */ state: { step: "idle" } });
export const connecting = new Connecting({ ...around, onChange: follow });

function follow(state) {
  way.state = state;
  if (state.step === "done") enter(state.known);
}

/** Once, when the client is launched. */
export function beginConnection() {
  onNetworkChange(() => {
    parts?.wake();
    lookSoon(0);
    if (way.state.step === "problem") connecting.again();
  });
  watch(() => [client.server?.id, client.online], followConnection);
  watch(
    () => client.unpaired,
    (unpaired) => unpaired && leadToPairing(),
  );
}

// --- the start ------------------------------------------------------------------------------------------------------------------

/** Open the computer that was used last; where there is none, the page that finds one. */
export async function findServer() {
  if (client.server) return;
  if (isApp) {
    const known = servers.last();
    return known ? use(known) : toConnect();
  }
  // #ifdef H5
  loadPages();
  await findOwnServer();
  // #endif
}

// #ifdef H5
/** The pages that are needed when the computer does not answer must be here before. */
function loadPages() {
  setTimeout(() => Promise.all([import("../pages/connect/connect.vue"), import("../pages/settings/settings.vue")]).catch(() => {}), PAGES_MS);
}

/** The computer that this page came from. When it does not answer, its person's stored conversations are shown all the same. */
async function findOwnServer() {
  const base = location.origin;
  const known = servers.list().find((one) => one.bases[0] === base);
  const ask = (asked) => around.ask({ ...asked, timeout: START_MS });
  const me = await whoAmI({ base, token: "" }, { ask });
  if (client.server) return;
  if (me.kind === "known") return openServer({ base, token: "", owner: me.owner, id: known?.owner === me.owner ? known.id : "" });
  if (me.kind !== "unpaired" && known?.owner) return use(known);
  toConnect();
}
// #endif

/** Talk to this computer from now on. @param {import("../connect/servers.js").Known} known */
export function use({ id, bases: [base], token, owner }) {
  const { server } = client;
  const isOpen = server && server.id === id && server.token === token && server.owner === owner && !client.unpaired;
  if (isOpen) parts.moveTo(base);
  else openServer({ base, token, owner, id });
}

/** It is open: to the chat. @param {import("../connect/servers.js").Known} known */
export function enter(known) {
  use(known);
  connecting.cancel();
  if (pages().some((route) => CHAT.endsWith(route))) uni.navigateBack({ delta: pages().length });
  else uni.reLaunch({ url: CHAT });
}

/** This phone knows that computer no more. @param {import("../connect/servers.js").Known} known */
export async function forget(known) {
  servers.forget(known.id);
  if (client.server?.id === known.id) closeServer();
  if (!known.token) return;
  const found = await findAgain(known, around);
  if (found.kind === "found") around.ask({ method: "DELETE", url: `${found.base}/api/devices/${known.device}`, token: known.token });
}

/** To the page that finds a computer, if it is not open. */
export function toConnect() {
  const open = pages();
  if (CONNECT.endsWith(open[open.length - 1] ?? "-")) return;
  if (client.server) uni.navigateTo({ url: CONNECT });
  else uni.reLaunch({ url: CONNECT });
}

function pages() {
  return getCurrentPages().map((page) => page.route ?? "");
}

/** The computer has shut this phone out. What was written stays, and its person is told. */
function leadToPairing() {
  if (isApp && client.server?.id) servers.unpaired(client.server.id);
  toConnect();
}

// --- finding it again -----------------------------------------------------------------------------------------------------------

let looks = 0;
let timer;

function followConnection() {
  // Its name may come later than the connection: it is published once the network has been looked at.
  if (parts) parts.place.onSeen = rememberPlace;
  if (client.online) {
    rememberPlace();
    clearTimeout(timer);
    looks = 0;
  } else if (client.server) lookSoon(AWAY_MS);
}

/** It is there, and is the one: the next start begins at this address. */
function rememberPlace() {
  if (!client.online || !parts) return;
  const { id, base, host } = parts.place;
  if (id) servers.met({ id, base, host, owner: client.server.owner });
  if (id && client.server.id !== id) client.server = { ...client.server, id };
}

function lookSoon(ms) {
  if (!isApp) return; // a page cannot leave its address
  clearTimeout(timer);
  timer = setTimeout(look, ms);
}

/** Hotspots change their addresses: look where the computer may be, and go on there. */
async function look() {
  const known = servers.find(client.server?.id);
  if (!known || client.online) return;
  const found = await findAgain(known, around);
  if (client.server?.id !== known.id || client.online) return;
  if (found.kind === "found" && found.base !== client.server.base) parts.moveTo(found.base);
  else if (found.kind === "found") parts.session.poke();
  lookSoon(Math.min(LOOK_AGAIN_MS.most, LOOK_AGAIN_MS.first * 2 ** looks));
  looks += 1;
}
