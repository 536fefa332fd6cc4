/**
 * The box that the messages scroll in, in a browser: it follows the text while the reader is at its end. Otherwise what is read stays where
 * it is, whatever appears above it; not every browser does that by itself (`overflow-anchor`), so none is asked to.
 *
 * @module
 */

import { Following } from "../thread/following.js";

// #ifdef H5
const UPWARD = new Set(["ArrowUp", "PageUp", "Home"]);
/** What is read is looked for inside messages too, but no deeper. */
const DEEP = 6;

export class BoxScroller {
  /** @param {(scroller: BoxScroller) => void} onMove The reader, or the text, has moved. */
  constructor(onMove) {
    this.onMove = onMove;
    this.following = new Following();
    /** What is read now, the innermost first, and where it stood on the screen when the box was scrolled so far. @type {{held: Held[], scrolled: number}|null} */
    this.anchor = null;
    this.ends = [];
  }

  /** @param {HTMLElement} box @param {HTMLElement} content Its only child. */
  attach(box, content) {
    this.box = box;
    this.content = content;
    this.ends = [
      listen(box, "scroll", () => this.#moved()),
      // A browser that scrolls smoothly tells of the wheel before anything has moved, and following would end its movement at once.
      listen(box, "wheel", (event) => event.deltaY < 0 && box.scrollTop > 0 && this.following.letGo()),
      listen(box, "keydown", (event) => UPWARD.has(event.key) && box.scrollTop > 0 && this.following.letGo()),
    ];
    // Between layout and paint: nobody sees the text where it does not belong.
    this.sizes = new ResizeObserver(() => this.settle());
    this.sizes.observe(content);
    this.sizes.observe(box);
    this.settle();
  }

  close() {
    this.sizes?.disconnect();
    this.ends.forEach((end) => end());
  }

  restart() {
    this.following.restart();
    this.anchor = null;
    if (this.box) this.settle();
  }

  toEnd() {
    this.following.toEnd();
    if (this.box) this.settle();
  }

  /** How far the reader is from what is drawn first, and from what is drawn last. */
  get room() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    return { above: scrollTop, below: scrollHeight - clientHeight - scrollTop };
  }

  /** After something has changed its height. */
  settle() {
    const { box, following } = this;
    // The reader may have moved since, and the browser not have said so yet: without this look a slow wheel could never leave the end.
    following.moved(box);
    if (following.follows) {
      box.scrollTop = box.scrollHeight;
      // Who lets go may have more put above them before the browser tells of it.
      this.#remember();
    } else this.#keep();
    following.moved(box);
    this.onMove(this);
  }

  /** Bring a message to the middle, and the focus to it. @param {string} id @returns {boolean} Whether it is drawn. */
  reveal(id) {
    const element = this.content?.querySelector(`[data-id="${CSS.escape(id)}"]`);
    if (!element) return false;
    element.scrollIntoView({ block: "center" });
    this.following.moved(this.box);
    this.following.letGo();
    this.#remember();
    element.focus({ preventScroll: true });
    this.onMove(this);
    return true;
  }

  #moved() {
    this.following.moved(this.box);
    this.#remember();
    this.onMove(this);
  }

  #remember() {
    const held = anchorsIn(this.content, this.box.getBoundingClientRect().top);
    this.anchor = held.length ? { held, scrolled: this.box.scrollTop } : null;
  }

  #keep() {
    // Code that was coloured meanwhile is another element; the message around it is the same.
    const held = this.anchor?.held.find(({ element }) => element.isConnected);
    if (!held) return void this.#remember();
    const { element, top } = held;
    const { scrolled } = this.anchor;
    // What the reader has scrolled since is theirs, and no event may have told of it yet.
    const moved = element.getBoundingClientRect().top - top + this.box.scrollTop - scrolled;
    if (Math.abs(moved) < 1) return;
    this.box.scrollTop += moved;
    this.#remember();
  }
}

function listen(element, name, call) {
  element.addEventListener(name, call, { passive: true });
  return () => element.removeEventListener(name, call);
}

/**
 * The first thing that reaches below the box's upper edge, as small as can be had, and what it is in.
 * @typedef {{element: Element, top: number}} Held
 * @returns {Held[]} The innermost first.
 */
function anchorsIn(root, edge) {
  const found = [];
  for (let depth = 0, within = root; within && depth < DEEP; depth += 1) {
    const next = [...within.children].find((child) => child.getBoundingClientRect().bottom > edge + 1);
    if (!next) break;
    const { top, height } = next.getBoundingClientRect();
    if (height) found.unshift({ element: next, top });
    if (top >= edge) break;
    within = next;
  }
  return found;
}
// #endif
