/**
 * The view follows the text while the reader is at its end, and stays put when they have scrolled up.
 *
 * @module
 */

import { byId } from "./dom.js";

const NEAR_PX = 48;
const UPWARD = new Set(["ArrowUp", "PageUp", "Home"]);

export class Scroll {
  constructor() {
    this.box = byId("scroller");
    this.button = byId("to-end");
    this.restart();
    this.box.addEventListener("scroll", () => this.#moved(), { passive: true });
    // A browser that scrolls smoothly tells of the wheel before anything has moved, and following would end its movement at once.
    this.box.addEventListener("wheel", (event) => event.deltaY < 0 && this.#letGo(), { passive: true });
    this.box.addEventListener("keydown", (event) => UPWARD.has(event.key) && this.#letGo());
    this.button.onclick = () => this.toEnd();
    // An answer is drawn when it comes near, and a formula when its library is there: both change the height.
    this.box.addEventListener("drawn", () => this.follow());
    // The soft keyboard, or a longer draft, makes the box smaller.
    new ResizeObserver(() => this.follow()).observe(this.box);
  }

  /** Another text is shown: follow it from its end. */
  restart() {
    this.follows = true;
    this.top = this.height = 0;
  }

  /** After the text has grown. */
  follow() {
    // The reader may have moved since, and the browser not have said so yet: without this look a slow wheel could never leave the end.
    this.#moved();
    if (this.follows) this.#toEnd();
  }

  /** Something further up is shown: no following. */
  stay() {
    this.follows = false;
  }

  toEnd() {
    this.follows = true;
    this.#toEnd();
  }

  #toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.#moved();
  }

  #letGo() {
    if (this.box.scrollTop > 0) this.follows = false;
  }

  #moved() {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    // Any step up by the reader lets go, however small; a text that became shorter is no step up.
    if (scrollTop < this.top - 1 && scrollHeight >= this.height) this.follows = false;
    else if (near && scrollTop > this.top) this.follows = true;
    this.button.hidden = this.follows || near;
    this.top = scrollTop;
    this.height = scrollHeight;
  }
}
