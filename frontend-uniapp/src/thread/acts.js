/**
 * What people do with messages.
 *
 * @module
 */

import { parts } from "../app/client.js";
import { ask, choose, toast } from "../app/overlays.js";
import { words } from "../app/words.js";
import { composing } from "../composer/field.js";
import { copy } from "../platform/clipboard.js";
import { tick } from "../platform/haptics.js";
import { share } from "../platform/share.js";
import { settings } from "../settings/state.js";
import { selecting } from "./selecting.js";

const MOST_CHARS = 2_000;

/** @typedef {import("../chat/reducer.js").Message} Message */

/** @param {string} id @param {string} [model] Another than the conversation's. */
export function regenerate(id, model) {
  parts?.session.regenerate(id, model ? { model } : {});
}

/** @param {string} id */
export function goOn(id) {
  parts?.session.continue(id);
}

/** Show the version before or behind. @param {string} id */
export function turn(id) {
  if (id) parts?.opened.choose(id);
}

/** @param {Message} message @returns {Promise<boolean>} */
export async function copyMessage(message) {
  const copied = await copy(message.content);
  if (!copied) toast({ text: words.notCopied });
  return copied;
}

/** The same thumb again takes it back. @param {Message} message @param {1|-1} thumb */
export function press(message, thumb) {
  tick();
  if (message.rating === thumb) return rate(message, 0, "");
  return rate(message, thumb, message.comment);
}

/** A word on why, whoever has one. @param {Message} message */
export async function sayWhy(message) {
  const title = message.rating === 1 ? words.whyGood : words.whyBad;
  const comment = await ask({ title, value: message.comment, yes: words.sendFeedback, maxlength: MOST_CHARS });
  if (comment !== null) await rate(message, message.rating, comment.trim());
}

/** Shown at once, and taken back where it cannot be stored. */
async function rate({ id }, rating, comment) {
  try {
    await parts.ratings.rate(id, rating, comment);
  } catch (error) {
    composing.tell(words.notRated(error.message));
  }
}

/**
 * Everything that can be done with a message, from below.
 * @param {Message} message
 * @param {boolean} idle Nothing is written or waits: it can be answered again.
 */
export async function openMenu(message, idle) {
  tick();
  const name = await choose({ title: message.role === "user" ? words.yourMessage : words.theAnswer, items: itemsFor(message, idle) });
  const [act, model] = (name ?? "").split(":");
  if (act === "copy" && (await copyMessage(message))) toast({ text: words.copied });
  if (act === "select") Object.assign(selecting, { text: message.content, label: message.role === "user" ? words.yourMessage : words.theAnswer });
  if (act === "share") await shareMessage(message);
  if (act === "edit") composing.edit(message);
  if (act === "again") regenerate(message.id, model);
}

function itemsFor(message, idle) {
  const items = [
    { name: "copy", label: words.copy, icon: "copy" },
    { name: "select", label: words.selectText, icon: "select" },
    { name: "share", label: words.share, icon: "share" },
  ];
  if (message.role === "user") return [...items, { name: "edit", label: words.edit, icon: "edit" }];
  if (!idle) return items;
  const others = otherModels(message).map((name) => ({ name: `again:${name}`, label: words.answerWithModel(name), icon: "again" }));
  return [...items, { name: "again", label: words.regenerate, icon: "again" }, ...others];
}

/** Where there is one model, it is the one that answers again, also where nobody knows which one did. */
function otherModels(message) {
  if (settings.models.length < 2) return [];
  return settings.models.filter(({ name, state }) => name !== message.model && state !== "failed").map(({ name }) => name);
}

async function shareMessage(message) {
  const how = await share(message.content);
  if (how === "copied") toast({ text: words.shareCopied });
  if (how === "failed") toast({ text: words.notCopied });
}
