/**
 * How a person takes leave: of what lies on this phone, or of the computer.
 *
 * @module
 */

import { failure } from "../settings/sentences.js";
import { servers } from "./begin.js";
import { client, closeServer, openServer, parts } from "./client.js";
import { setLooks } from "./looks.js";
import { confirm, toast } from "./overlays.js";
import { setLanguage, words } from "./words.js";

/** What cannot be had again: messages that have not gone out. */
function withLoss(text) {
  const unsent = parts?.preferences.unsent ?? 0;
  return unsent ? `${text} ${words.set.clearUnsent(unsent)}` : text;
}

/** Everything of this person that lies here goes; the conversations stay on the computer, and are fetched from there again. */
export async function clearPhone() {
  if (!parts || !(await confirm({ title: words.here.clearSure, text: withLoss(words.here.clearAbout), yes: words.here.clear, danger: true }))) return;
  const { server } = client;
  await forgetHere();
  setLooks({ theme: "", size: "normal" });
  setLanguage("");
  openServer(server);
  uni.reLaunch({ url: "/pages/chat/chat" });
  toast({ text: words.here.cleared });
}

/** The computer shuts this phone out, and this phone forgets the computer. */
export async function unpairPhone() {
  if (!parts || !(await confirm({ title: words.here.unpairSure, text: withLoss(words.here.unpairAbout), yes: words.here.unpair, danger: true }))) return;
  const { id } = client.server;
  // The server is about to close the socket, which is not to be taken for somebody else's doing.
  parts.session.close();
  if (!(await shutOutSelf())) return parts.session.start();
  await forgetHere();
  if (id) servers.forget(id);
  uni.reLaunch({ url: "/pages/connect/connect" });
}

/** @returns {Promise<boolean>} Whether to go on. */
async function shutOutSelf() {
  try {
    const { device } = await parts.api.get("me");
    await parts.api.delete(`devices/${device.id}`);
    return true;
  } catch (error) {
    // It was shut out already.
    if (error.status === 401 || error.status === 404) return true;
    if (!error.status) return confirm({ title: words.set.unreachable, text: words.here.unpairAway, yes: words.here.forgetAnyway, danger: true });
    toast({ text: words.set.refused(failure(error, words)) });
    return false;
  }
}

async function forgetHere() {
  const { preferences } = parts;
  await parts.forgetHere?.();
  // What is open would write its own back.
  closeServer();
  preferences.forgetAll();
}
