/**
 * How much of the page the soft keyboard covers, where the page does not become smaller by itself: Safari on a phone, and the mini-program.
 * (Chromium is told by the page's viewport, the App by `softinputMode`.)
 *
 * @module
 */

import { shallowReactive } from "vue";

export const keyboard = shallowReactive({ height: 0 });

let watched = false;

/** From now on. To be called by pages that have a field at their lower edge. */
export function watchKeyboard() {
  if (watched) return;
  watched = true;
  // #ifdef H5
  window.visualViewport?.addEventListener("resize", measure);
  window.visualViewport?.addEventListener("scroll", measure);
  // #endif
  // #ifdef MP
  uni.onKeyboardHeightChange(({ height }) => (keyboard.height = height));
  // #endif
}

// #ifdef H5
/** Less is a toolbar that comes and goes. */
const LEAST_PX = 80;

function measure() {
  const { height, scale } = window.visualViewport;
  const zoomed = Math.abs(scale - 1) > 0.01;
  const covered = zoomed ? 0 : Math.round(window.innerHeight - height);
  keyboard.height = covered > LEAST_PX ? covered : 0;
  // Safari has moved the page up to show the field, which the page shows by itself.
  if (keyboard.height && window.scrollY) window.scrollTo(0, 0);
}
// #endif
