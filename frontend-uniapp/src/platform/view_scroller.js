/**
 * The same as `box_scroller.js` for `scroll-view`, which is told where to stand and says where it stands, a little later.
 *
 * @module
 */

import { shallowReactive } from "vue";

import { Following } from "../thread/following.js";

/** A position behind every end. It has to change to be followed. */
const BEHIND = 10_000_000;

export class ViewScroller {
  /** @param {(scroller: ViewScroller) => void} onMove */
  constructor(onMove) {
    this.onMove = onMove;
    this.following = new Following();
    /** What `scroll-view` is told. */
    this.told = shallowReactive({ top: BEHIND, into: "" });
    this.room = { above: BEHIND, below: 0 };
    this.height = 0;
  }

  attach() {
    const measured = (rect) => (this.height = rect?.height ?? this.height);
    uni.createSelectorQuery().select(".thread").boundingClientRect(measured).exec();
  }

  close() {}

  restart() {
    this.following.restart();
    this.settle();
  }

  toEnd() {
    this.following.toEnd();
    this.settle();
  }

  /** After the text has grown. */
  settle() {
    if (!this.following.follows) return;
    this.told.into = "";
    this.told.top = this.told.top === BEHIND ? BEHIND + 1 : BEHIND;
  }

  /** @param {string} id */
  reveal(id) {
    this.following.letGo();
    this.stayAt(id);
    return true;
  }

  /** What was drawn first stays where it is, as well as this platform can do it. @param {string} id */
  stayAt(id) {
    this.told.into = `m-${id}`;
  }

  /** @param {{detail: {scrollTop: number, scrollHeight: number}}} event */
  scrolled({ detail: { scrollTop, scrollHeight } }) {
    this.following.moved({ scrollTop, scrollHeight, clientHeight: this.height });
    this.room = { above: scrollTop, below: scrollHeight - this.height - scrollTop };
    this.onMove(this);
  }
}
