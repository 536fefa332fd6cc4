/**
 * The rows of the list, by day. A row stays the same element as long as its conversation is there; only what is new or has moved is touched,
 * and what the person looks at stays where it is.
 *
 * @module
 */

import { make, textButton } from "./dom.js";
import { grouped } from "./list_groups.js";
import { Row } from "./list_row.js";
import { words } from "./words.js";

/** So far below the edge the next page is asked for. */
const AHEAD_PX = 600;
let groupsMade = 0;

/**
 * @typedef {object} Does
 * @property {(id: string) => void} open
 * @property {(row: Row, at: Element|{x: number, y: number}) => void} menu
 * @property {(id: string, title: string) => void} rename
 * @property {(row: Row) => void} remove
 * @property {() => Promise<void>} more
 * @property {() => void} leave The focus goes on upwards from the first row.
 */

export class Rows {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Map<string, {root: HTMLElement, list: HTMLElement}>} */
  #groups = new Map();
  /** @type {{items: import("./conversations.js").Conversation[], current: string|null, running: Set<string>, hasMore: boolean}} */
  #wanted = { items: [], current: null, running: new Set(), hasMore: false };
  #menuOpen = false;
  #failed = false;
  /** The row that Tab reaches. */
  #stop = "";

  /** @param {HTMLElement} root It scrolls. @param {Does} does */
  constructor(root, does) {
    this.root = root;
    this.does = does;
    this.empty = make("p", { className: "empty", hidden: true }, words.noConversations);
    this.end = make("div", { className: "list-end" });
    root.append(this.empty, this.end);
    root.onclick = (event) => this.#click(event);
    root.onkeydown = (event) => this.#key(event);
    root.addEventListener("focusin", (event) => this.#focused(event));
    this.observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#more(), {
      root,
      rootMargin: `${AHEAD_PX}px`,
    });
  }

  show(items, current, running, hasMore) {
    this.#wanted = { items, current, running, hasMore };
    this.#update();
    if (!this.#isHeld()) this.#arrange();
  }

  /** @param {string} id */
  row(id) {
    return this.#rows.get(id);
  }

  /** The row that follows when `id` goes. @param {string} id */
  neighbour(id) {
    const { items } = this.#wanted;
    const place = items.findIndex((item) => item.id === id);
    return this.#rows.get((items[place + 1] ?? items[place - 1])?.id);
  }

  /** The one that Tab would reach, or nothing in an empty list. */
  focus() {
    this.#rows.get(this.#stop)?.focus();
    return this.#rows.has(this.#stop);
  }

  /** While a menu hangs from a row, rows keep their places. @param {boolean} open */
  setMenuOpen(open) {
    this.#menuOpen = open;
    if (!this.#isHeld()) this.#arrange();
  }

  #isHeld() {
    return this.#menuOpen || [...this.#rows.values()].some((row) => row.renaming);
  }

  #update() {
    const { items, current, running } = this.#wanted;
    for (const item of items) {
      this.#make(item.id).update({ item, current: item.id === current, running: item.running || running.has(item.id) });
    }
  }

  #make(id) {
    let row = this.#rows.get(id);
    if (!row) {
      const { menu, rename } = this.does;
      row = new Row(id, { menu, rename, renamed: () => this.#isHeld() || this.#arrange() });
      this.#rows.set(id, row);
    }
    return row;
  }

  // --- where they stand ---

  #arrange() {
    const { items, hasMore } = this.#wanted;
    const kept = this.#seen();
    const focused = this.root.contains(document.activeElement) ? document.activeElement : null;
    this.#drop(new Set(items.map((item) => item.id)));
    const groups = grouped(items, words, { now: new Date(), lang: document.documentElement.lang });
    this.#dropGroups(new Set(groups.map(({ name }) => name)));
    groups.forEach(({ name, items: of }, place) => {
      const group = this.#group(name);
      put(this.root, group.root, place);
      of.forEach((item, at) => put(group.list, this.#make(item.id).root, at));
      while (group.list.children.length > of.length) group.list.lastElementChild?.remove();
    });
    this.empty.hidden = items.length > 0 || hasMore;
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    this.#keep(kept);
    this.#setStop(this.#rows.has(this.#stop) ? this.#stop : this.#firstStop());
    this.#watchEnd(hasMore);
  }

  #drop(ids) {
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.root.remove();
      this.#rows.delete(id);
    }
  }

  #dropGroups(names) {
    for (const [name, group] of this.#groups) {
      if (names.has(name)) continue;
      group.root.remove();
      this.#groups.delete(name);
    }
  }

  #group(name) {
    let group = this.#groups.get(name);
    if (!group) {
      const heading = make("h2", { id: `day-${(groupsMade += 1)}` }, name);
      const list = make("ul", { "aria-labelledby": heading.id });
      group = { root: make("section", { className: "day" }, heading, list), list };
      this.#groups.set(name, group);
    }
    return group;
  }

  /** The first row in sight and where it is, unless the list is at its top: there the newest is wanted. */
  #seen() {
    if (this.root.scrollTop < 8) return null;
    const top = this.root.getBoundingClientRect().top;
    const row = [...this.#rows.values()].map(({ root }) => root).find((root) => root.getBoundingClientRect().bottom > top);
    return row && { row, top: row.getBoundingClientRect().top };
  }

  #keep(seen) {
    if (seen?.row.isConnected) this.root.scrollTop += seen.row.getBoundingClientRect().top - seen.top;
  }

  // --- the keyboard: one stop for Tab, arrows from row to row ---

  #firstStop() {
    const { items, current } = this.#wanted;
    return (items.find((item) => item.id === current) ?? items[0])?.id ?? "";
  }

  #setStop(id) {
    this.#rows.get(this.#stop)?.setStop(false);
    this.#stop = id;
    this.#rows.get(id)?.setStop(true);
  }

  #focused(event) {
    const row = this.#rowOf(event.target);
    if (row) this.#setStop(row.id);
  }

  #rowOf(element) {
    const id = element.closest?.(".row")?.querySelector("a")?.dataset.id;
    return id && this.#rows.get(id);
  }

  #key(event) {
    const row = this.#rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (move) this.#move(row, move);
    else if (event.key === "F2") row.rename();
    else if (event.key === "Delete") this.does.remove(row);
    else return;
    event.preventDefault();
  }

  #move(row, by) {
    const rows = this.#wanted.items.map((item) => this.#rows.get(item.id)).filter((one) => one?.root.isConnected);
    const place = rows.indexOf(row) + by;
    if (place === -1) this.does.leave();
    else rows[Math.max(0, Math.min(place, rows.length - 1))]?.focus();
  }

  #click(event) {
    const link = event.target.closest("a.conversation");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.does.open(link.dataset.id);
  }

  // --- the end: more of them ---

  #watchEnd(hasMore) {
    this.observer.disconnect();
    if (!hasMore) this.end.replaceChildren();
    else if (!this.#failed) this.observer.observe(this.end);
  }

  async #more() {
    this.observer.disconnect();
    this.end.replaceChildren(make("p", { className: "empty" }, words.loadingMore));
    try {
      await this.does.more();
      this.#failed = false;
      this.end.replaceChildren();
    } catch (error) {
      this.#failed = true;
      this.end.replaceChildren(make("p", { className: "empty" }, words.moreFailed(error.message)), textButton(words.tryAgain, () => this.#more()));
    }
  }
}

/** Moves nothing that stands there already. */
function put(parent, child, place) {
  const there = parent.children[place] ?? null;
  if (there !== child) parent.insertBefore(child, there);
}
