/**
 * The messages on the screen: one view per message, each updated only when its message or its run has changed.
 *
 * @module
 */

import { AssistantView } from "./answer.js";
import { growText, iconButton, make, textButton } from "./dom.js";
import { View } from "./view.js";
import { words } from "./words.js";

export class Thread {
  /** @param {HTMLElement} root @param {import("./view.js").Does} does */
  constructor(root, does) {
    this.root = root;
    this.does = does;
    /** @type {Map<string, View>} */
    this.views = new Map();
  }

  /** @param {import("./facts.js").Facts[]} all In their order. */
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

  /** Bring a message into view, and the focus to it. @param {string} id */
  reveal(id) {
    const root = this.views.get(id)?.root;
    if (!root) return;
    root.scrollIntoView({ block: "center" });
    root.focus({ preventScroll: true });
    root.classList.remove("found");
    void root.offsetWidth; // so that it begins anew
    root.classList.add("found");
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

class UserView extends View {
  constructor(message, does) {
    super(message, does);
    this.note = make("p", { className: "quiet" });
    this.edit = iconButton("edit", words.edit, () => does.edit(this.message));
    this.actions = make("div", { className: "actions" }, this.copyButton(), this.edit, this.branches);
    this.root.setAttribute("aria-label", words.you);
    this.root.append(this.text, this.note, this.actions);
  }

  render(facts) {
    const { message, waits } = facts;
    growText(this.text, message.content);
    this.root.classList.toggle("waiting", Boolean(waits));
    this.showBranches(facts);
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

const VIEWS = { user: UserView, assistant: AssistantView, system: SystemView };
