/**
 * A menu that a button or a long press opens. Arrow keys, Home, End and first letters move in it, Esc and Tab close it, and the focus
 * goes back to where it came from.
 *
 * @module
 */

import { icon, make } from "./dom.js";

const EDGE_PX = 8;
const GAP_PX = 4;

/**
 * @typedef {object} Item
 * @property {string} label
 * @property {string} [note] A second, quieter line.
 * @property {string} [icon] One of the page's symbols.
 * @property {boolean} [danger]
 * @property {boolean} [checked] Of several that exclude each other.
 * @property {boolean} [disabled]
 * @property {() => void} onclick The menu is closed by then, and the focus is back.
 */

/** The one that is open. @type {Menu|null} */
let shown = null;

/**
 * Opens a menu; the one that was open closes.
 * @param {{label: string, items: Item[], at: Element|{x: number, y: number}, from?: HTMLElement, onclose?: () => void}} what
 * `at`: the element it hangs from, or a point of the window; `from`: what takes the focus afterwards.
 */
export function openMenu(what) {
  shown?.close();
  shown = new Menu(what);
  return shown;
}

class Menu {
  constructor({ label, items, at, from, onclose }) {
    this.at = at;
    this.from = from ?? (at instanceof HTMLElement ? at : /** @type {HTMLElement|null} */ (document.activeElement));
    this.onclose = onclose;
    this.items = items.map((item) => this.#item(item));
    this.root = make("div", { className: "menu", role: "menu", "aria-label": label, tabIndex: -1 }, ...this.items);
    this.root.onkeydown = (event) => this.#key(event);
    this.root.onclick = (event) => event.stopPropagation();
    // What lies under a menu is not pressed by the press that closes it; nor does the long press close it that has opened it.
    this.ground = make("div", { className: "menu-ground" }, this.root);
    let pressed = false;
    this.ground.onpointerdown = () => (pressed = true);
    this.ground.onmousedown = (event) => event.target === this.ground && event.preventDefault(); // the focus stays in the menu
    this.ground.onclick = () => pressed && this.close();
    this.ground.oncontextmenu = (event) => {
      event.preventDefault();
      if (pressed && event.target === this.ground) this.close();
    };
    this.away = () => this.close();
    document.body.append(this.ground);
    if (at instanceof Element) at.setAttribute("aria-expanded", "true");
    this.#place();
    addEventListener("resize", this.away);
    this.root.focus({ preventScroll: true });
    this.#focus(this.items.find((item) => item.getAttribute("aria-checked") === "true") ?? this.items[0]);
  }

  close() {
    if (shown !== this) return;
    shown = null;
    removeEventListener("resize", this.away);
    this.ground.remove();
    if (this.at instanceof Element) this.at.setAttribute("aria-expanded", "false");
    this.from?.focus({ preventScroll: true });
    this.onclose?.();
  }

  #item({ label, note = "", icon: name = "", danger = false, checked, disabled = false, onclick }) {
    const text = make("span", { className: "menu-text" }, label, ...(note ? [make("span", { className: "menu-note" }, note)] : []));
    const item = make("button", { type: "button", className: "menu-item", role: "menuitem", tabIndex: -1 }, ...(name ? [icon(name)] : []), text);
    item.classList.toggle("danger", danger);
    if (checked !== undefined) {
      item.setAttribute("role", "menuitemradio");
      item.setAttribute("aria-checked", String(checked));
    }
    if (disabled) item.setAttribute("aria-disabled", "true");
    item.onclick = () => {
      if (disabled) return;
      this.close();
      onclick();
    };
    item.onpointermove = () => document.activeElement === item || this.#focus(item);
    return item;
  }

  #focus(item) {
    if (!item) return;
    for (const other of this.items) other.tabIndex = other === item ? 0 : -1;
    item.focus();
  }

  #key(event) {
    const { items } = this;
    const at = items.indexOf(document.activeElement);
    const moves = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 };
    if (event.key in moves) this.#focus(items.at(moves[event.key] % items.length));
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) this.#focus(startingWith(items, event.key, at));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Below what it hangs from, or above it; where neither has room, over it. Never over the window's edge. */
  #place() {
    const { style, offsetWidth } = this.root;
    const height = Math.min(this.root.offsetHeight, innerHeight - 2 * EDGE_PX);
    const near = this.at instanceof Element ? this.at.getBoundingClientRect() : new DOMRect(this.at.x, this.at.y, 0, 0);
    const below = near.bottom + GAP_PX;
    const above = near.top - GAP_PX - height;
    const over = innerHeight - EDGE_PX - height;
    const top = below <= over ? below : above >= EDGE_PX ? above : over;
    const left = near.left + offsetWidth + EDGE_PX <= innerWidth ? near.left : near.right - offsetWidth;
    style.maxHeight = `${height}px`;
    style.top = `${top}px`;
    style.left = `${Math.max(EDGE_PX, Math.min(left, innerWidth - offsetWidth - EDGE_PX))}px`;
  }
}

/** The next item behind `at` that begins so. */
function startingWith(items, letter, at) {
  const turned = [...items.slice(at + 1), ...items.slice(0, at + 1)];
  return turned.find((item) => item.textContent.trim().toLowerCase().startsWith(letter.toLowerCase()));
}
