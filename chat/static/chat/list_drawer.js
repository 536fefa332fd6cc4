/**
 * Where the list is: beside the chat on a wide screen, where it can be hidden, which is remembered; over it as a drawer on a narrow one.
 *
 * @module
 */

import { byId } from "./dom.js";

const NARROW = matchMedia("(max-width: 800px)");
const YEAR_S = 31_536_000;
/** A finger that goes so far to the left closes the drawer. */
const SWIPE_PX = 60;
const DECIDED_PX = 12;

export class Drawer {
  constructor() {
    this.root = byId("sidebar");
    this.menu = byId("menu");
    this.closeButton = byId("close-menu");
    this.shade = byId("shade");
    this.hidden = this.root.classList.contains("collapsed");
    /** What is kept from the focus while the drawer is open. @type {HTMLElement[]} */
    this.inert = [];
    this.menu.onclick = () => this.toggle(true);
    this.closeButton.onclick = () => (this.isDrawer ? this.toggle(false) : this.hide(true));
    this.shade.onclick = () => this.toggle(false);
    // Wherever the focus is: behind the last button it may be nowhere in the page.
    addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && this.isDrawer && this.shown && this.toggle(false));
    NARROW.addEventListener("change", () => this.#turned());
    onSwipe(this.root, () => this.shown, () => this.toggle(false));
    this.#say();
  }

  get isDrawer() {
    return NARROW.matches;
  }

  get shown() {
    return this.isDrawer ? this.root.classList.contains("shown") : !this.hidden;
  }

  /** Opens the list wherever it is; closes it only where it is a drawer. @param {boolean} open */
  toggle(open) {
    if (!this.isDrawer) return open && this.hidden ? this.hide(false) : undefined;
    const was = this.shown;
    this.root.classList.toggle("shown", open);
    this.shade.hidden = !open;
    this.#setInert(open);
    this.#say();
    if (open && !was) this.closeButton.focus();
    else if (was && !open) this.menu.focus();
  }

  /** Beside the chat: remembered, in a cookie, so that the page comes with it and nothing flashes. @param {boolean} hidden */
  hide(hidden) {
    this.hidden = hidden;
    this.root.classList.toggle("collapsed", hidden);
    document.cookie = `llmsite_list=${hidden ? "hidden" : "shown"}; path=/; max-age=${YEAR_S}; SameSite=Lax`;
    this.#say();
    (hidden ? this.menu : this.closeButton).focus();
  }

  #say() {
    this.menu.setAttribute("aria-expanded", String(this.shown));
  }

  #setInert(inert) {
    for (const element of this.inert) element.inert = false;
    const behind = /** @type {HTMLElement[]} */ ([...document.body.querySelectorAll(":scope > .page, :scope > .skip")]);
    this.inert = inert ? behind : [];
    for (const element of this.inert) element.inert = true;
  }

  /** The window became wide or narrow. */
  #turned() {
    this.root.classList.remove("shown");
    this.shade.hidden = true;
    this.#setInert(false);
    this.#say();
  }
}

/** The drawer follows the finger; scrolling, which is up and down, stays the browser's (`touch-action: pan-y`). */
function onSwipe(root, mayClose, close) {
  let from = null;
  let by = 0;
  const end = (event) => {
    if (!from) return;
    const far = event.type === "pointerup" && by < -SWIPE_PX;
    from = null;
    root.style.transform = root.style.transition = "";
    if (far) close();
  };
  root.addEventListener("pointerdown", (event) => {
    by = 0;
    const starts = event.pointerType === "touch" && NARROW.matches && mayClose() && !event.target.closest("input");
    from = starts ? { x: event.clientX, y: event.clientY } : null;
  });
  root.addEventListener("pointermove", (event) => {
    if (!from) return;
    const x = event.clientX - from.x;
    const sideways = by || (x < -DECIDED_PX && Math.abs(event.clientY - from.y) < -x / 1.5);
    if (!sideways) return;
    by = Math.min(0, x);
    root.style.transition = "none";
    root.style.transform = `translateX(${by}px)`;
  });
  root.addEventListener("pointerup", end);
  root.addEventListener("pointercancel", end);
  // The finger that drew the drawer away has pressed nothing.
  root.addEventListener("click", (event) => by && (event.preventDefault(), event.stopPropagation()), true);
}
