/**
 * One conversation in the list: its title, a line of what was said last, what is to be known of it, and the button of its menu.
 *
 * @module
 */

import { icon, make } from "./dom.js";
import { plain } from "./list_groups.js";
import { words } from "./words.js";

export const MAX_TITLE = 200;

/**
 * @typedef {object} Facts
 * @property {import("./conversations.js").Conversation} item
 * @property {boolean} current
 * @property {boolean} running
 */

export class Row {
  /** @param {string} id @param {{menu(row: Row, at: Element): void, rename(id: string, title: string): void, renamed(): void}} does */
  constructor(id, does) {
    this.id = id;
    this.does = does;
    /** @type {Partial<Facts>} */
    this.facts = {};
    this.title = make("span", { className: "row-title" });
    this.marks = make("span", { className: "row-marks" });
    this.preview = make("span", { className: "row-preview" });
    const address = { href: `/?c=${id}`, "data-id": id };
    this.link = make("a", { className: "conversation", ...address, draggable: false, tabIndex: -1 }, this.title, this.marks, this.preview);
    this.button = make("button", { type: "button", className: "icon-button row-menu", tabIndex: -1, "aria-haspopup": "menu" }, icon("more"));
    this.button.setAttribute("aria-expanded", "false");
    this.button.onclick = () => does.menu(this, this.button);
    this.root = make("li", { className: "row" }, this.link, this.button);
    /** @type {Renaming|null} */
    this.renaming = null;
  }

  /** What it is called, also while it has no title. */
  get name() {
    return this.facts.item?.title || words.untitled;
  }

  /** @param {Facts} facts */
  update(facts) {
    const { item, current, running } = facts;
    const before = this.facts;
    this.facts = facts;
    if (before.item === item && before.current === current && before.running === running) return;
    this.title.textContent = this.name;
    this.preview.textContent = plain(item.preview);
    this.button.setAttribute("aria-label", words.actionsFor(this.name));
    this.button.title = words.actionsFor(this.name);
    if (current) this.link.setAttribute("aria-current", "page");
    else this.link.removeAttribute("aria-current");
    const marks = [...(item.pinned ? [mark("row-pin", words.pinned, icon("pin"))] : []), ...(running ? [mark("dot", words.answering)] : [])];
    this.marks.replaceChildren(...marks);
  }

  /** Whether Tab stops here. @param {boolean} stops */
  setStop(stops) {
    this.link.tabIndex = this.button.tabIndex = stops ? 0 : -1;
  }

  focus() {
    this.link.focus();
  }

  rename() {
    this.renaming ??= new Renaming(this);
  }
}

/** The field in place of the title: Enter and leaving it save, Esc does not. */
class Renaming {
  /** @param {Row} row */
  constructor(row) {
    this.row = row;
    this.before = row.facts.item?.title ?? "";
    const holds = { type: "text", value: this.before, maxLength: MAX_TITLE, autocomplete: "off" };
    this.field = make("input", { className: "row-field", ...holds, "aria-label": words.newTitle });
    this.problem = make("p", { className: "row-problem", role: "alert" });
    this.root = make("div", { className: "row-rename" }, this.field, this.problem);
    this.field.onkeydown = (event) => this.#key(event);
    this.field.oninput = () => this.#say("");
    this.field.onblur = () => this.#leave(this.field.value.trim(), false);
    row.link.hidden = row.button.hidden = true;
    row.root.append(this.root);
    this.field.focus();
    this.field.select();
  }

  #key(event) {
    event.stopPropagation();
    // While an input method composes, Enter and Esc are its own (Safari says 229 for the one that ends it).
    if (event.isComposing || event.keyCode === 229) return;
    const title = this.field.value.trim();
    if (event.key === "Enter" && !title) this.#say(words.titleEmpty);
    else if (event.key === "Enter") this.#leave(title, true);
    else if (event.key === "Escape") this.#leave(this.before, true);
    else return;
    event.preventDefault();
  }

  #say(text) {
    this.problem.textContent = text;
    this.field.setAttribute("aria-invalid", String(Boolean(text)));
  }

  #leave(title, focus) {
    const { row } = this;
    if (row.renaming !== this) return;
    row.renaming = null; // taking the field away blurs it, which comes here again
    row.link.hidden = row.button.hidden = false;
    this.root.remove();
    if (focus) row.focus();
    if (title && title !== this.before) row.does.rename(row.id, title);
    row.does.renamed();
  }
}

function mark(className, label, ...children) {
  return make("span", { className, role: "img", title: label, "aria-label": label }, ...children);
}
