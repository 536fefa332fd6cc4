/**
 * The App without its pages: its real modules, compiled for the App, on real requests and sockets. It does what each line of its input says and answers
 * with a line: where it stands.
 *
 *     node --experimental-websocket phone.mjs STORAGE [PROGRAM THAT FINDS .local NAMES…]
 */

import { register } from "node:module";
import { createInterface } from "node:readline";

import { watch } from "vue";

import { findNamesWith } from "./names.mjs";
import { installPlatform, phone } from "./platform.mjs";

const [, , file, ...finder] = process.argv;
register("./compiled.mjs", import.meta.url);
installPlatform(file);
if (finder.length) findNamesWith(finder);

const { client, parts } = await import("../../src/app/client.js").then((module) => ({ client: module.client, parts: () => module.parts }));
const { beginConnection, connecting, enter, findServer, forget, servers, way } = await import("../../src/app/begin.js");
const { beginLanguage, words } = await import("../../src/app/words.js");
const { parseAddress } = await import("../../src/connect/address.js");
const { saidOf } = await import("../../src/connect/said.js");

const DO = {
  begin: () => findServer(),
  type: ({ text }) => {
    const address = parseAddress(text);
    if (address.ok) void connecting.connect(address);
    return { address };
  },
  code: ({ code }) => void connecting.enter(code),
  choose: ({ id }) => void connecting.open(servers.find(id)),
  again: () => void connecting.again(),
  enter: () => enter(way.state.known),
  forget: ({ id }) => forget(servers.find(id)),
  say: ({ text }) => void parts().say(text),
  network: ({ kind }) => {
    phone.network = kind;
    phone.changed({ networkType: kind });
  },
  look: () => {},
};

function standing() {
  const { state } = way;
  return {
    page: phone.page,
    steps,
    way: state,
    said: state.step === "problem" ? saidOf(state.outcome, words, { isApp: true }) : null,
    server: client.server,
    online: client.online,
    unpaired: client.unpaired,
    conversation: client.conversation,
    messages: client.facts.map(({ message }) => ({ role: message.role, text: message.content, status: message.status })),
    waiting: parts()?.session.outbox.list().length ?? 0,
    servers: servers.list(),
  };
}

/** Each step that the connect page has shown. */
const steps = [];
watch(
  () => way.state,
  ({ step }) => steps.at(-1) !== step && steps.push(step),
  { flush: "sync" },
);
beginLanguage();
beginConnection();
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  let more = {};
  try {
    more = (await DO[asked.do](asked)) ?? {};
  } catch (error) {
    more = { failed: String(error.stack) };
  }
  console.log(JSON.stringify({ ...standing(), address: more.address, failed: more.failed }));
}
process.exit(0);
