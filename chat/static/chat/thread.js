/**
 * The messages on the screen: one view per message, each updated only when its message or its run has changed.
 *
 * @module
 */

import { copy, growText, iconButton, make, setIcon } from "./dom.js";
import { textOf } from "./reducer.js";
import { words } from "./words.js";

/**
 * What one view shows. Compared field by field: the same facts, no work.
 * @typedef {object} Facts
 * @property {import("./reducer.js").Message} message
 * @property {import("./reducer.js").Run|undefined} run
 * @property {boolean} last The last of the conversation, and nothing is being written: it can be continued or answered again.
 * @property {string} waits Why this was not sent yet, or nothing.
 * @property {number} clock Changes each second while the message thinks.
 */

/** @typedef {{regenerate(id: string): void, continue(id: string): void, edit(message: any): void, takeBack(key: string): void}} Does */

export class Thread {
  /** @param {HTMLElement} root @param {Does} does */
  constructor(root, does) {
    this.root = root;
    this.does = does;
    /** @type {Map<string, View>} */
    this.views = new Map();
  }

  /** @param {Facts[]} all In their order. */
  show(all) {
    const wanted = new Set(all.map((facts) => facts.message.id));
    for (const [id, view] of this.views) {
      if (wanted.has(id)) continue;
      view.root.remove();
      this.views.delete(id);
    }
    all.forEach((facts, place) => {
      const view = this.#view(facts.message);
      view.update(facts);
      if (this.root.children[place] !== view.root) this.root.insertBefore(view.root, this.root.children[place] ?? null);
    });
  }

  #view(message) {
    let view = this.views.get(message.id);
    if (!view) {
      view = new (VIEWS[message.role] ?? SystemView)(message, this.does);
      this.views.set(message.id, view);
    }
    return view;
  }
}

class View {
  constructor(message, does) {
    this.does = does;
    this.facts = {};
    this.message = message;
    this.text = make("div", { className: "text" });
    this.root = make("article", { className: `message ${message.role}`, "data-id": message.id });
  }

  /** @param {Facts} facts */
  update(facts) {
    const same = Object.keys(facts).every((name) => facts[name] === this.facts[name]);
    this.facts = facts;
    this.message = facts.message;
    if (!same) this.render(facts);
  }

  copyButton() {
    const button = iconButton("copy", words.copy, async () => {
      await copy(this.message.content);
      setIcon(button.firstChild, "done");
      button.title = words.copied;
      setTimeout(() => setIcon(button.firstChild, "copy"), 1500);
    });
    return button;
  }
}

class UserView extends View {
  constructor(message, does) {
    super(message, does);
    this.note = make("p", { className: "quiet" });
    this.edit = iconButton("edit", words.edit, () => does.edit(this.message));
    this.actions = make("div", { className: "actions" }, this.copyButton(), this.edit);
    this.root.setAttribute("aria-label", words.you);
    this.root.append(this.text, this.note, this.actions);
  }

  render({ message, waits, last }) {
    growText(this.text, message.content);
    this.root.classList.toggle("waiting", Boolean(waits));
    this.edit.hidden = !last;
    this.actions.hidden = Boolean(waits);
    this.note.hidden = !waits;
    if (waits) this.note.replaceChildren(waits, textButton(words.takeBack, () => this.does.takeBack(message.id)));
  }
}

class SystemView extends View {
  constructor(message, does) {
    super(message, does);
    this.root.append(this.text);
  }

  render({ message }) {
    this.text.textContent = words.system(message.content);
  }
}

class AssistantView extends View {
  constructor(message, does) {
    super(message, does);
    this.thoughts = make("div", { className: "thoughts" });
    this.summary = make("summary");
    this.thinking = make("details", { className: "thinking" }, this.summary, this.thoughts);
    this.status = make("p", { className: "status" });
    this.ending = make("p", { className: "quiet" });
    this.again = iconButton("again", words.regenerate, () => does.regenerate(this.message.id));
    this.actions = make("div", { className: "actions" }, this.copyButton(), this.again);
    this.root.setAttribute("aria-label", words.model);
    this.root.append(this.thinking, this.text, this.status, this.ending, this.actions);
    /** When its thinking was first seen, and how long it took. */
    this.began = 0;
    this.took = 0;
  }

  render(facts) {
    const { message, run } = facts;
    const live = message.status !== "done";
    growText(this.text, message.content);
    this.#renderThinking(message, live);
    const status = live ? statusLine(message, run) : "";
    this.status.hidden = !status;
    this.status.textContent = status;
    this.root.classList.toggle("live", live);
    this.root.classList.toggle("waiting", Boolean(facts.waits));
    this.#renderEnding(facts, live);
    this.actions.hidden = live;
    this.again.hidden = !facts.last;
  }

  #renderThinking(message, live) {
    this.thinking.hidden = !message.thinking;
    if (!message.thinking) return;
    growText(this.thoughts, message.thinking);
    const thinks = live && !message.content;
    if (thinks) this.began ||= Date.now();
    if (this.began && (thinks || !this.took)) this.took = Math.max(1, Date.now() - this.began);
    const value = this.took / 1000;
    this.summary.textContent = thinks ? words.thinking(value) : this.took ? words.thought(value) : words.thoughts;
  }

  #renderEnding({ message, run, last, waits }, live) {
    const sentence = live ? "" : waits || endingOf(message);
    const dropped = run?.context?.dropped ? words.dropped(run.context.dropped) : "";
    this.ending.hidden = !sentence && !dropped;
    this.ending.classList.toggle("failed", message.finishReason === "error");
    this.ending.replaceChildren([dropped, sentence].filter(Boolean).join(" "));
    if (!sentence || !last || waits) return;
    const more = message.content || message.thinking;
    const failed = message.finishReason === "error" || message.finishReason === "stop";
    if (more && message.finishReason !== "stop") this.ending.append(textButton(words.continue, () => this.does.continue(message.id)));
    if (failed || !more) this.ending.append(textButton(words.tryAgain, () => this.does.regenerate(message.id)));
  }
}

const VIEWS = { user: UserView, assistant: AssistantView, system: SystemView };

function textButton(label, onclick) {
  return make("button", { type: "button", className: "text-button", onclick }, label);
}

/** What happens while there is no text yet. */
function statusLine(message, run) {
  if (!run) return words.reading;
  if (run.status === "queued") return run.position ? words.queued(run.position, run.eta) : words.queuedNext;
  return run.seq <= 0 && !(run.seq < 0 && message.content) ? words.reading : "";
}

function endingOf(message) {
  const nothing = !message.content.trim() && !message.thinking;
  const sentences = { length: words.cut, stopped: words.stopped, interrupted: words.interrupted, error: message.error || words.failure };
  return sentences[message.finishReason] ?? (nothing && message.finishReason === "stop" ? words.empty : "");
}

/** A message as it will be, from what was not sent yet. @param {import("./reducer.js").Pending} item */
export function messageOf(item) {
  const content = textOf(item.frame);
  return { id: item.key, parent: null, conversation: item.conversation, role: "user", content, thinking: "", run: null, status: "done", finishReason: null };
}
