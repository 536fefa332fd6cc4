/**
 * What the back button closes before it leaves a page: menus, dialogs, the drawer. The one that was opened last goes first.
 *
 * @module
 */

import { onBackPress } from "@dcloudio/uni-app";

/** @type {(() => void)[]} */
const open = [];

/**
 * Something is open that "back" shall close.
 * @param {() => void} close
 * @returns {() => void} To be called when it was closed in another way.
 */
export function onBack(close) {
  open.push(close);
  // #ifdef H5
  arm();
  // #endif
  return () => {
    const place = open.lastIndexOf(close);
    if (place >= 0) open.splice(place, 1);
  };
}

/** Close what was opened last. @returns {boolean} Whether there was anything. */
export function closeTop() {
  const close = open.pop();
  close?.();
  return Boolean(close);
}

/** To be called in the setup of each page: the App's back button asks the page. */
export function usePageBack() {
  onBackPress(() => closeTop());
}

// #ifdef H5
// A browser's back button only goes back in its history, so there is one entry more as long as something may be open. It is not taken away
// when the thing is closed in another way, because that cannot be done at once: going back over it then goes one further.
const MARK = "closes";
const isArmed = () => Boolean(history.state?.[MARK]);
let armed = false;

function arm() {
  if (!isArmed()) history.pushState({ ...history.state, [MARK]: true }, "");
  armed = true;
}

addEventListener("popstate", () => {
  if (isArmed()) {
    armed = true;
    return;
  }
  if (!armed) return;
  armed = false;
  if (!closeTop()) history.back();
  else if (open.length) arm();
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && closeTop()) event.preventDefault();
});
// #endif
