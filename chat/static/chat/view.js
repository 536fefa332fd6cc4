/**
 * What the views of all messages have: facts that they are compared by, a copy button, the way to the branches beside them.
 *
 * @module
 */

import { copy, iconButton, make, setIcon } from "./dom.js";
import { words } from "./words.js";

const COPIED_MS = 1_500;

/**
 * @typedef {object} Does
 * @property {(id: string) => void} regenerate
 * @property {(id: string, button: HTMLElement) => void} choices More ways to answer again.
 * @property {(id: string) => void} continue
 * @property {(message: import("./reducer.js").Message) => void} edit
 * @property {(key: string) => void} takeBack
 * @property {(id: string) => void} choose
 * @property {(id: string, rating: 1|-1|0, comment: string) => void} rate
 */

export class View {
  constructor(message, does) {
    this.does = does;
    this.facts = {};
    this.message = message;
    this.text = make("div", { className: "text" });
    this.root = make("article", { className: `message ${message.role}`, "data-id": message.id, tabIndex: -1 });
    this.number = make("span", {});
    this.before = iconButton("before", words.branchBefore, () => this.#turn("before"));
    this.after = iconButton("after", words.branchAfter, () => this.#turn("after"));
    this.branches = make("span", { className: "branches", role: "group", "aria-label": words.branches, hidden: true }, this.before, this.number, this.after);
  }

  /** @param {import("./facts.js").Facts} facts */
  update(facts) {
    const same = Object.keys(facts).every((name) => facts[name] === this.facts[name]);
    this.facts = facts;
    this.message = facts.message;
    if (!same) this.render(facts);
  }

  /** @param {import("./facts.js").Facts} facts */
  showBranches({ number, count, before, after }) {
    this.branches.hidden = !number;
    this.number.textContent = number ? words.branch(number, count) : "";
    this.before.setAttribute("aria-disabled", String(!before));
    this.after.setAttribute("aria-disabled", String(!after));
  }

  #turn(where) {
    if (this.facts[where]) this.does.choose(this.facts[where]);
  }

  copyButton() {
    const button = iconButton("copy", words.copy, async () => {
      await copy(this.message.content);
      setIcon(button.firstChild, "done");
      button.title = words.copied;
      button.setAttribute("aria-label", words.copied);
      setTimeout(() => {
        setIcon(button.firstChild, "copy");
        button.title = words.copy;
        button.setAttribute("aria-label", words.copy);
      }, COPIED_MS);
    });
    return button;
  }
}
