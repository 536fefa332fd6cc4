/**
 * The list of conversations: beside the chat on a wide screen, a drawer on a phone. Puts together its rows, the search, the menu of a row, and
 * what is said about what was done.
 *
 * @module
 */

import { byId, make } from "./dom.js";
import { Drawer } from "./list_drawer.js";
import { onImport, sentenceOf } from "./list_import.js";
import { onPress } from "./list_press.js";
import { Rows } from "./list_rows.js";
import { Search } from "./list_search.js";
import { openMenu } from "./menu.js";
import { Toasts } from "./toast.js";
import { words } from "./words.js";

/** How long a deletion can be undone. */
export const UNDO_S = 10;
/** Of many files that are refused, so many are named. */
const MOST_SAID = 3;
const MOST_IN_SENTENCE = 40;

export class Sidebar {
  #current = null;
  #running = new Set();
  #shown = "";

  /**
   * @param {object} around
   * @param {import("./conversations.js").Conversations} around.conversations
   * @param {(conversation: string, message?: string) => void} around.onOpen
   * @param {() => void} around.onNew
   */
  constructor({ conversations, onOpen, onNew }) {
    this.conversations = conversations;
    this.onOpen = onOpen;
    this.onNew = onNew;
    this.drawer = new Drawer();
    this.toasts = new Toasts(this.drawer.root, () => this.#focusList());
    this.list = byId("list");
    this.rows = new Rows(this.list, {
      open: (id) => this.#open(id),
      menu: (row, at) => this.#menu(row, at),
      rename: (id, title) => this.#try(conversations.rename(id, title), words.notRenamed),
      remove: (row) => this.remove(row.id),
      more: () => conversations.more(),
      leave: () => this.search.focus(),
    });
    this.search = new Search({
      find: (text, cursor) => conversations.search(text, cursor),
      open: (conversation, message) => this.#open(conversation, message),
      turn: (found) => this.#turn(found),
    });
    this.search.field.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && !this.list.hidden && this.rows.focus()) event.preventDefault();
    });
    onPress(this.list, ".conversation", (link, at) => this.#menu(this.rows.row(link.dataset.id), at));
    onImport(this.drawer.root, (files) => this.importFiles(files));
    addEventListener("keydown", (event) => this.#shortcut(event));
    addEventListener("click", (event) => this.#newChat(event));
  }

  /**
   * Cheap when there is nothing new.
   * @param {string|null} current The conversation that is open.
   * @param {Set<string|null>} running Those in which an answer is being written.
   */
  show(current, running) {
    const { conversations } = this;
    const wanted = [conversations.version, current, [...running].join(), new Date().toDateString()].join("|");
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    const before = this.#running;
    this.#current = current;
    this.#running = running;
    this.rows.show(conversations.items, current, running, conversations.hasMore);
    this.#ask([...running].filter((id) => !before.has(id)));
    this.#ask([...before].filter((id) => !running.has(id)));
  }

  /** Opens the list; closes it where it is a drawer. @param {boolean} open */
  toggle(open) {
    this.drawer.toggle(open);
  }

  /** Deletes, with time to undo. @param {string} id */
  remove(id) {
    const { conversations, toasts } = this;
    const row = this.rows.row(id);
    const title = short(row?.name ?? words.untitled);
    const wasOpen = id === this.#current;
    const focused = row?.root.contains(document.activeElement);
    const next = this.rows.neighbour(id);
    const { done, undo } = conversations.remove(id);
    this.#refresh();
    if (focused) (next ?? this.search).focus();
    if (wasOpen) this.onNew();
    const toast = toasts.show({
      text: words.deleted(title),
      note: words.recordStays,
      seconds: UNDO_S,
      action: { label: words.undo, undoes: true, onclick: () => this.#undo({ id, title, undo, wasOpen }) },
    });
    done.catch((error) => {
      toast.close();
      this.#say(words.notDeleted(title, error.message));
    });
  }

  /** @param {File[]} files */
  async importFiles(files) {
    const said = this.toasts.show({ text: words.importing(files.length) });
    const { imported, refused } = await this.conversations.importFiles(files);
    said.close();
    for (const one of refused.slice(0, MOST_SAID)) this.#say(sentenceOf(one));
    if (refused.length > MOST_SAID) this.#say(words.moreRefused(refused.length - MOST_SAID));
    if (!imported.length) return;
    const [first] = imported;
    this.toasts.show({ text: words.imported(imported.length), action: { label: words.openIt, onclick: () => this.#open(first.id) } });
  }

  // --- what is done with one of them ---

  #open(id, message) {
    this.drawer.toggle(false);
    this.onOpen(id, message);
  }

  #menu(row, at) {
    if (!row) return;
    const { conversations } = this;
    const { pinned } = row.facts.item;
    this.rows.setMenuOpen(true);
    openMenu({
      label: words.actionsFor(row.name),
      at,
      from: at instanceof Element ? row.button : row.link,
      onclose: () => this.rows.setMenuOpen(false),
      items: [
        { label: words.rename, icon: "edit", onclick: () => row.rename() },
        { label: pinned ? words.unpin : words.pin, icon: "pin", onclick: () => this.#try(conversations.pin(row.id, !pinned), words.notPinned) },
        { label: words.exportMarkdown, icon: "download", onclick: () => download(conversations.exportUrl(row.id, "markdown")) },
        { label: words.exportJson, icon: "download", onclick: () => download(conversations.exportUrl(row.id, "json")) },
        { label: words.remove, icon: "delete", danger: true, onclick: () => this.remove(row.id) },
      ],
    });
  }

  async #undo({ id, title, undo, wasOpen }) {
    const restored = undo();
    this.#refresh();
    this.rows.row(id)?.focus();
    try {
      await restored;
      this.toasts.show({ text: words.restored(title) });
      if (wasOpen && !this.#current) this.onOpen(id);
    } catch (error) {
      this.#say(words.notRestored(title, error.message));
    }
  }

  /** Shows at once; what the server refuses is taken back by the list, and said here. */
  #try(change, sentence) {
    change.catch((error) => this.#say(sentence(error.message)));
  }

  #say(text) {
    this.toasts.show({ text, problem: true });
  }

  // --- the list ---

  /** Before the page itself comes to it: the focus needs the rows as they are now. */
  #refresh() {
    this.show(this.#current, this.#running);
  }

  /** Where an answer begins or ends there is something new: the place in the list, what was said last, perhaps the whole conversation. */
  #ask(ids) {
    for (const id of ids) if (id) this.conversations.refresh(id).catch(() => {});
  }

  #turn(found) {
    this.list.hidden = found;
    byId("results").hidden = !found;
  }

  #focusList() {
    if (!this.drawer.shown || !this.rows.focus()) byId("field").focus();
  }

  #newChat(event) {
    if (!event.target.closest?.("a[data-new]") || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.drawer.toggle(false);
    this.onNew();
  }

  #shortcut(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "k" && !event.shiftKey) {
      this.drawer.toggle(true);
      this.search.focus();
    } else if (key === "o" && event.shiftKey) {
      this.drawer.toggle(false);
      this.onNew();
    } else return;
    event.preventDefault();
  }
}

/** A title inside a sentence. */
function short(title) {
  const characters = [...title];
  return characters.length > MOST_IN_SENTENCE ? `${characters.slice(0, MOST_IN_SENTENCE).join("").trim()}…` : title;
}

function download(address) {
  make("a", { href: address, download: "" }).click();
}
