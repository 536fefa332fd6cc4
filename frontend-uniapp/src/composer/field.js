/**
 * The one field of the chat page.
 *
 * @module
 */

import { client, parts } from "../app/client.js";
import { words } from "../app/words.js";
import { CLIENT } from "../chat/protocol.js";
import { textOf } from "../chat/reducer.js";
import { showEnd } from "../thread/view.js";
import { Composing } from "./composing.js";
import { Drafts } from "./drafts.js";

/** @type {Drafts|null} */
let drafts = null;

export const composing = new Composing({
  drafts: () => drafts,
  say: (text) => say(text),
  edit: (message, text) => {
    parts?.session.edit(message, text);
    showEnd();
  },
  words: () => words,
});

/** @param {string} text */
export function say(text) {
  parts?.say(text);
  showEnd();
}

/** After anything has changed: the draft is that of what is open, and what the server will not take comes back. */
export function follow() {
  const owner = client.server?.owner ?? "";
  if (!parts || !owner) return;
  if (drafts?.prefix !== `llmsite.${owner}.`) {
    if (drafts) composing.forget();
    drafts = new Drafts(parts.keeper.storage, owner);
  }
  composing.turnTo(client.conversation);
  takeRefusals(parts.session);
}

/** What the person has been told of already. */
let told = null;

function takeRefusals(session) {
  const [refused] = session.state.refused;
  if (refused) {
    session.discard(refused.key); // shows everything, and so takes those behind it
    comesBack(refused);
  }
  const { problem } = session.state;
  if (problem && problem !== told) composing.tell(problem.message);
  told = problem;
}

/** Where it was written: in the field, as an edit, or as the draft of a conversation that is not open now. */
function comesBack({ conversation, frame, error }) {
  const text = textOf(frame);
  if (conversation !== client.conversation && text) drafts.write(conversation, [text, drafts.read(conversation)].filter(Boolean).join("\n"));
  else if (frame.type === CLIENT.EDIT) composing.edit({ id: frame.message, content: text });
  else if (text) composing.putBack(text);
  composing.tell(error.message);
}

/** What waits to be sent comes back into the field. @param {string} key */
export function takeBack(key) {
  const item = parts?.session.state.pending.find((one) => one.key === key);
  if (!item) return;
  parts.session.discard(key);
  if (item.frame.type === CLIENT.EDIT) composing.edit({ id: item.frame.message, content: item.frame.content });
  else composing.putBack(textOf(item.frame));
}
