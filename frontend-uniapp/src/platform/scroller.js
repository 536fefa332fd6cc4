/**
 * What the messages scroll in, on every platform.
 *
 * @module
 */

// #ifdef H5
import { BoxScroller } from "./box_scroller.js";
// #endif
// #ifndef H5
import { ViewScroller } from "./view_scroller.js";
// #endif

/** @param {(scroller: {following: import("../thread/following.js").Following, room: {above: number, below: number}}) => void} onMove */
export function makeScroller(onMove) {
  // #ifdef H5
  return new BoxScroller(onMove);
  // #endif
  // #ifndef H5
  return new ViewScroller(onMove);
  // #endif
}
