/**
 * What people do with whole conversations.
 *
 * @module
 */

import { client, parts } from "../app/client.js";
import { ask, choose, confirm, toast } from "../app/overlays.js";
import { words } from "../app/words.js";
import { copy } from "../platform/clipboard.js";
import { hasFiles, saveText } from "../platform/file.js";
import { tick } from "../platform/haptics.js";
import { fileName, short } from "./rows.js";

/** How long a deletion can be undone. */
const UNDO_MS = 10_000;
const MAX_TITLE = 200;

/** @typedef {import("../chat/conversations.js").Conversation} Conversation */

/** The menu of a row. @param {Conversation} item */
export async function showMenu(item) {
  tick();
  const files = [
    { name: "markdown", label: words.exportMarkdown, icon: "download" },
    { name: "json", label: words.exportJson, icon: "download" },
  ];
  const items = [
    { name: "rename", label: words.rename, icon: "edit" },
    { name: "pin", label: item.pinned ? words.unpin : words.pin, icon: "pin" },
    ...(hasFiles ? files : [{ name: "copy", label: words.copyMarkdown, icon: "copy" }]),
    { name: "remove", label: words.remove, icon: "delete", danger: true },
  ];
  const does = {
    rename: () => rename(item),
    pin: () => tell(parts.conversations.pin(item.id, !item.pinned), words.notPinned),
    markdown: () => save(item, "markdown"),
    json: () => save(item, "json"),
    copy: () => copyMarkdown(item),
    remove: () => remove(item),
  };
  const chosen = await choose({ title: item.title || words.untitled, items });
  if (chosen && parts) await does[chosen]();
}

/** @param {Conversation} item */
async function rename(item) {
  const said = await ask({ title: words.newTitle, value: item.title, yes: words.rename, maxlength: MAX_TITLE });
  const title = said?.trim().replace(/\s+/g, " ");
  if (said !== null && !title) return toast({ text: words.titleEmpty });
  if (title && title !== item.title) await tell(parts.conversations.rename(item.id, title), words.notRenamed);
}

/** Away at once, with time to undo it. What was said there and has not gone out would bring it back: it goes too, if that is meant. @param {Conversation} item */
export async function remove(item) {
  const { session, conversations } = parts;
  const title = short(item.title || words.untitled);
  const unsent = session.state.pending.filter((one) => one.conversation === item.id);
  if (unsent.length && !(await confirm({ title: words.throwAwayTitle(title), text: words.throwAway(unsent.length), yes: words.remove, danger: true }))) return;
  for (const { key } of unsent) session.discard(key);
  const wasOpen = client.conversation === item.id;
  const { done, undo } = conversations.remove(item.id);
  if (wasOpen) parts.open(null);
  const action = { label: words.undo, call: () => takeBack({ item, title, undo, wasOpen }) };
  toast({ text: words.removed(title), action, ms: UNDO_MS });
  await done.catch((error) => toast({ text: words.notDeleted(title, error.message) }));
}

async function takeBack({ item, title, undo, wasOpen }) {
  try {
    await undo();
    toast({ text: words.restored(title) });
    if (wasOpen && !client.conversation) await parts?.open(item.id);
  } catch (error) {
    toast({ text: words.notRestored(title, error.message) });
  }
}

/** Nothing of it has reached the computer. @param {import("./rows.js").Unsent} item */
export async function removeUnsent({ id, title }) {
  const unsent = parts.session.state.pending.filter((one) => one.conversation === id);
  const sure = await confirm({ title: words.throwAwayTitle(short(title || words.untitled)), text: words.throwAway(unsent.length), yes: words.remove, danger: true });
  if (!sure || !parts) return;
  for (const { key } of unsent) parts.session.discard(key);
  if (client.conversation === id) parts.open(null);
}

/** @param {Conversation} item @param {"markdown"|"json"} format */
async function save(item, format) {
  const name = fileName(item.title, format === "json" ? "json" : "md");
  try {
    const text = await parts.exported(item.id, format);
    if (await saveText(name, text, format === "json" ? "application/json" : "text/markdown")) toast({ text: words.savedAs(name) });
  } catch (error) {
    toast({ text: words.notExported(error.message) });
  }
}

/** @param {Conversation} item */
async function copyMarkdown(item) {
  try {
    const copied = await copy(await parts.exported(item.id, "markdown"));
    toast({ text: copied ? words.copiedMarkdown : words.notCopied });
  } catch (error) {
    toast({ text: words.notExported(error.message) });
  }
}

/** Shows at once; what the computer refuses is taken back by the list, and said here. */
async function tell(change, sentence) {
  await change.catch((error) => toast({ text: sentence(error.message) }));
}
