/**
 * Search: the field above the list, and what was found in place of the list. Titles first, then messages with what was looked for marked.
 *
 * @module
 */

import { byId, make, textButton } from "./dom.js";
import { marked, plain } from "./list_groups.js";
import { words } from "./words.js";

export const PAUSE_MS = 200;
const AHEAD_PX = 400;

/**
 * @typedef {object} Does
 * @property {(text: string, cursor?: string|null) => Promise<import("./conversations.js").Found>} find
 * @property {(conversation: string, message?: string) => void} open
 * @property {(shown: boolean) => void} turn Whether results stand in place of the list.
 */

export class Search {
  /** What was asked for last; an answer to anything else is thrown away. */
  #asked = "";
  #number = 0;
  #timer = 0;
  #composing = false;
  /** Enter was pressed before there was anything to open. */
  #openFirst = false;
  #next = null;
  #count = 0;

  /** @param {Does} does */
  constructor(does) {
    this.does = does;
    this.field = byId("search");
    this.clearButton = byId("search-clear");
    this.root = byId("results");
    this.said = byId("list-said");
    this.field.oninput = () => this.#typed();
    this.field.addEventListener("compositionstart", () => (this.#composing = true));
    this.field.addEventListener("compositionend", () => {
      this.#composing = false;
      this.#typed();
    });
    this.field.onkeydown = (event) => this.#fieldKey(event);
    this.clearButton.onclick = () => this.clear();
    this.root.onclick = (event) => this.#click(event);
    this.root.onkeydown = (event) => this.#key(event);
    this.end = make("div", { className: "list-end" });
    this.observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#more(), {
      root: this.root,
      rootMargin: `${AHEAD_PX}px`,
    });
  }

  focus() {
    this.field.focus();
    this.field.select();
  }

  clear() {
    this.field.value = "";
    this.#typed();
    this.field.focus();
  }

  #typed() {
    if (this.#composing) return;
    const text = this.field.value.trim();
    this.clearButton.hidden = !this.field.value;
    clearTimeout(this.#timer);
    this.#openFirst = false;
    if (!text) this.#reset();
    else if (text !== this.#asked) this.#timer = setTimeout(() => this.#ask(text), PAUSE_MS);
  }

  #reset() {
    this.#asked = "";
    this.#number += 1;
    this.observer.disconnect();
    this.root.replaceChildren();
    this.said.textContent = "";
    this.does.turn(false);
  }

  async #ask(text) {
    this.#asked = text;
    const number = ++this.#number;
    const first = this.root.hidden;
    this.does.turn(true);
    if (first) this.root.replaceChildren(make("p", { className: "empty" }, words.searching));
    try {
      const found = await this.does.find(text);
      if (number === this.#number) this.#show(found, text);
    } catch (error) {
      if (number === this.#number) this.#fail(words.searchFailed(error.message), () => this.#ask(text));
    }
  }

  // --- what was found ---

  #show({ titles, items, next }, text) {
    this.#next = next;
    this.#count = titles.length + items.length;
    this.hits = make("ul", {}, ...items.map(hitOf));
    const groups = [
      ...(titles.length ? [make("h2", {}, words.titles), make("ul", {}, ...titles.map((item) => titleOf(item, text)))] : []),
      ...(items.length ? [make("h2", {}, words.messages), this.hits] : []),
    ];
    this.root.replaceChildren(...(groups.length ? groups : [make("p", { className: "empty" }, words.nothingFound(text))]), this.end);
    this.root.scrollTop = 0;
    this.end.replaceChildren();
    this.#sayCount();
    this.#watchEnd();
    if (this.#openFirst) this.#open(this.#links()[0]);
    this.#openFirst = false;
  }

  async #more() {
    const number = this.#number;
    this.observer.disconnect();
    this.end.replaceChildren(make("p", { className: "empty" }, words.loadingMore));
    try {
      const { items, next } = await this.does.find(this.#asked, this.#next);
      if (number !== this.#number) return;
      this.hits.append(...items.map(hitOf));
      this.#next = next;
      this.#count += items.length;
      this.end.replaceChildren();
      this.#sayCount();
      this.#watchEnd();
    } catch (error) {
      if (number === this.#number) this.end.replaceChildren(...problem(words.searchFailed(error.message), () => this.#more()));
    }
  }

  #sayCount() {
    this.said.textContent = this.#count ? words.found(this.#count, this.#next !== null) : words.nothingFound(this.#asked);
  }

  #watchEnd() {
    if (this.#next !== null) this.observer.observe(this.end);
  }

  #fail(sentence, again) {
    this.observer.disconnect();
    this.root.replaceChildren(...problem(sentence, again));
    this.said.textContent = sentence;
  }

  #links() {
    return [...this.root.querySelectorAll("a")];
  }

  #open(link) {
    if (!link) return;
    for (const other of this.#links()) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    this.does.open(link.dataset.id, link.dataset.message || undefined);
  }

  // --- keys and clicks ---

  #fieldKey(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter") this.#enter();
    else if (event.key === "Escape" && this.field.value) this.clear();
    else if (event.key === "ArrowDown" && !this.root.hidden) this.#links()[0]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Opens the first result; if what is typed was not looked for yet, once it is. */
  #enter() {
    const text = this.field.value.trim();
    if (!text) return;
    if (text === this.#asked && this.#links().length) return this.#open(this.#links()[0]);
    clearTimeout(this.#timer);
    this.#openFirst = true;
    if (text !== this.#asked) this.#ask(text);
  }

  #key(event) {
    const links = this.#links();
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && at > 0) links[at - 1].focus();
    else if (event.key === "ArrowUp") this.field.focus();
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #click(event) {
    const link = event.target.closest("a");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.#open(link);
  }
}

function titleOf(item, text) {
  const title = make("span", { className: "row-title" }, ...parts(marked(item.title, text)));
  const below = make("span", { className: "row-preview" }, plain(item.preview));
  return make("li", { className: "row" }, resultLink(item, title, below));
}

/** @param {import("./conversations.js").Hit} hit */
function hitOf({ conversation, message, role, snippet }) {
  const who = { user: words.you, assistant: words.model }[role];
  const text = make("span", { className: "row-snippet" }, ...(who ? [words.said(who)] : []), ...parts(snippet));
  const link = resultLink(conversation, make("span", { className: "row-title" }, conversation.title || words.untitled), text);
  link.dataset.message = message;
  return make("li", { className: "row" }, link);
}

function resultLink({ id }, title, below) {
  return make("a", { className: "conversation result", href: `/?c=${id}`, "data-id": id, draggable: false }, title, below);
}

/** What was found may hold anything: each part is a text node, never markup. @param {import("./conversations.js").Part[]} all */
function parts(all) {
  return all.map(({ text, hit }) => (hit ? make("mark", {}, text) : text));
}

function problem(sentence, again) {
  return [make("p", { className: "empty" }, sentence), textButton(words.tryAgain, again)];
}
