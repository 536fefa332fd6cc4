/**
 * Short notices at the edge, each with at most one thing to do about it. One that goes away by itself shows how long it stays, and its
 * time stands still while the pointer or the focus is on it. They are read out, and Ctrl+Z does what the newest offers to undo.
 *
 * @module
 */

import { iconButton, make, textButton } from "./dom.js";
import { words } from "./words.js";

const STAYS_S = 6;

/**
 * @typedef {object} Notice
 * @property {string} text
 * @property {string} [note] What else there is to know; of several notices only the newest says it.
 * @property {{label: string, onclick: () => void, undoes?: boolean}} [action] `undoes`: Ctrl+Z does it too.
 * @property {number} [seconds] How long it stays.
 * @property {boolean} [problem] Something went wrong: it stays until it is closed.
 */

export class Toasts {
  /**
   * @param {Element} after What it follows in the page, and so in the order of Tab.
   * @param {() => void} [home] Takes the focus when the last notice that had it is closed.
   */
  constructor(after, home = () => {}) {
    this.home = home;
    /** The newest last. @type {Toast[]} */
    this.all = [];
    this.root = make("section", { className: "toasts", "aria-label": words.notices, hidden: true });
    this.polite = make("div", { className: "unseen", role: "status" });
    this.urgent = make("div", { className: "unseen", role: "alert" });
    after.after(this.root, this.polite, this.urgent);
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {Notice} notice */
  show(notice) {
    const toast = new Toast(notice, (focused) => this.#left(toast, focused));
    this.all.push(toast);
    this.root.append(toast.root);
    this.root.hidden = false;
    toast.root.scrollIntoView?.({ block: "nearest" });
    this.#say(notice);
    return toast;
  }

  /** In a live region that is always there: what is put into the page together with its region is not read out everywhere. */
  #say({ text, note = "", action, problem }) {
    const said = make("p", {}, [text, note, action?.undoes ? `${action.label}: Ctrl+Z` : ""].filter(Boolean).join(" "));
    (problem ? this.urgent : this.polite).append(said);
    setTimeout(() => said.remove(), 2000);
  }

  #left(toast, focused) {
    this.all = this.all.filter((one) => one !== toast);
    this.root.hidden = !this.all.length;
    if (!focused) return;
    const newest = this.all.at(-1);
    if (newest) newest.root.querySelector("button").focus();
    else this.home();
  }

  #key(event) {
    const undo = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z";
    if (!undo || event.target.closest?.("input, textarea, [contenteditable]")) return;
    const newest = this.all.findLast((toast) => toast.notice.action?.undoes);
    if (!newest) return;
    event.preventDefault();
    newest.act();
  }
}

class Toast {
  constructor(notice, onleave) {
    this.notice = notice;
    this.onleave = onleave;
    this.left = notice.problem ? Infinity : (notice.seconds ?? STAYS_S);
    this.held = new Set();
    this.count = make("span", { className: "toast-count", "aria-hidden": "true" });
    const note = make("span", { className: "toast-note" }, notice.note ?? "");
    const text = make("p", { className: "toast-text" }, notice.text, note);
    this.root = make("div", { className: "toast", role: "group", "aria-label": notice.text }, text, this.#actions());
    this.root.classList.toggle("failed", Boolean(notice.problem));
    this.#hold("pointerenter", "pointerleave");
    this.#hold("focusin", "focusout");
    this.#show();
    this.timer = setInterval(() => this.#pass(), 1000);
  }

  act() {
    this.close();
    this.notice.action.onclick();
  }

  close() {
    const focused = this.root.contains(document.activeElement);
    clearInterval(this.timer);
    this.root.remove();
    this.onleave(focused);
  }

  #actions() {
    const { action } = this.notice;
    const close = iconButton("close", words.close, () => this.close());
    if (!action) return make("div", { className: "toast-actions" }, close);
    return make("div", { className: "toast-actions" }, textButton(action.label, () => this.act()), this.count, close);
  }

  #hold(begin, end) {
    this.root.addEventListener(begin, () => this.held.add(begin));
    this.root.addEventListener(end, () => this.held.delete(begin));
  }

  #pass() {
    if (this.held.size) return;
    this.left -= 1;
    if (this.left <= 0) this.close();
    else this.#show();
  }

  #show() {
    if (this.notice.action && Number.isFinite(this.left)) this.count.textContent = String(this.left);
  }
}
