/**
 * Whether the view follows the text: while the reader is at its end, and not when they have scrolled up.
 *
 * @module
 */

export const NEAR_PX = 48;

export class Following {
  constructor() {
    this.restart();
  }

  /** Another text is shown: follow it from its end. */
  restart() {
    this.follows = true;
    this.near = true;
    this.top = 0;
    this.most = 0;
  }

  /** The reader goes up, or something further up is shown. */
  letGo() {
    this.follows = false;
  }

  /** The reader wants to be at the end. */
  toEnd() {
    this.follows = true;
  }

  /**
   * The view stands somewhere else, or what it shows has another height.
   * @param {{scrollTop: number, scrollHeight: number, clientHeight: number}} box
   */
  moved({ scrollTop, scrollHeight, clientHeight }) {
    const most = Math.max(0, scrollHeight - clientHeight);
    // A phone lets the text be pulled over its end; when it springs back nobody has gone up.
    const top = Math.min(Math.max(0, scrollTop), most);
    this.near = most - top < NEAR_PX;
    // Any step up by the reader lets go, however small; a text that became shorter, or a view that became higher, is no step up.
    if (top < this.top - 1 && most >= this.most) this.follows = false;
    else if (this.near && top > this.top) this.follows = true;
    this.top = top;
    this.most = most;
  }

  /** A way back to the end is needed. */
  get away() {
    return !this.follows && !this.near;
  }
}
