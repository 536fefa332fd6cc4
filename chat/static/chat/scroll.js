/**
 * The view follows the text while the reader is at its end, and stays put when they have scrolled up.
 *
 * @module
 */

import { byId } from "./dom.js";

const NEAR_PX = 48;

export class Scroll {
  constructor() {
    this.box = byId("scroller");
    this.button = byId("to-end");
    this.follows = true;
    this.box.addEventListener("scroll", () => this.#moved(), { passive: true });
    this.button.onclick = () => this.toEnd();
    // The soft keyboard, or a longer draft, makes the box smaller.
    new ResizeObserver(() => this.follow()).observe(this.box);
  }

  /** After the text has grown. */
  follow() {
    if (this.follows) this.box.scrollTop = this.box.scrollHeight;
    this.#moved();
  }

  toEnd() {
    this.follows = true;
    this.follow();
  }

  #moved() {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    this.follows = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.button.hidden = this.follows;
  }
}
