/**
 * A small window that a button opens: beside the button on a wide screen, from below on a phone. A modal dialog, so that the browser keeps
 * the focus in it, closes it with Esc (and the back gesture), and gives the focus back.
 *
 * @module
 */

import { make } from "./dom.js";

const NARROW = "(max-width: 600px)";
const GAP_PX = 6;
const EDGE_PX = 8;

export class Popup {
  /** @param {HTMLButtonElement} button @param {string} label @param {() => void} fill Called before it shows, to make `body` right. */
  constructor(button, label, fill) {
    this.button = button;
    this.fill = fill;
    this.body = make("div", { className: "popup-body" });
    this.root = make("dialog", { className: "popup", "aria-label": label }, this.body);
    this.root.addEventListener("click", (event) => event.target === this.root && this.close());
    this.root.onclose = () => this.#closed();
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-expanded", "false");
    button.onclick = () => this.open();
    document.body.append(this.root);
  }

  get shown() {
    return this.root.open;
  }

  open() {
    if (this.shown) return;
    this.fill();
    this.root.showModal();
    this.button.setAttribute("aria-expanded", "true");
    this.place();
    this.follow = () => this.place();
    addEventListener("resize", this.follow);
  }

  close() {
    this.root.close();
  }

  #closed() {
    this.button.setAttribute("aria-expanded", "false");
    removeEventListener("resize", this.follow);
  }

  /** Below the button, or above it where there is more room; never over the edge. */
  place() {
    const { style } = this.root;
    style.left = style.top = style.maxHeight = "";
    if (matchMedia(NARROW).matches) return;
    const near = this.button.getBoundingClientRect();
    const below = innerHeight - near.bottom - GAP_PX - EDGE_PX;
    const above = near.top - GAP_PX - EDGE_PX;
    const under = below >= this.root.offsetHeight || below >= above;
    style.maxHeight = `${Math.floor(under ? below : above)}px`;
    const { offsetWidth, offsetHeight } = this.root;
    style.left = `${Math.max(EDGE_PX, Math.min(near.left, innerWidth - offsetWidth - EDGE_PX))}px`;
    style.top = `${under ? near.bottom + GAP_PX : near.top - GAP_PX - offsetHeight}px`;
  }
}
