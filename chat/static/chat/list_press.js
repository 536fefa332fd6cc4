/**
 * The other ways to a row's menu: a long press, a right click, the menu key.
 *
 * @module
 */

const LONG_MS = 500;
/** A finger that moves so far scrolls. */
const STILL_PX = 10;

/**
 * @param {HTMLElement} root
 * @param {string} selector What can be pressed.
 * @param {(pressed: HTMLElement, at: {x: number, y: number}) => void} call
 */
export function onPress(root, selector, call) {
  let timer = 0;
  let from = { x: 0, y: 0 };
  let done = false;
  const end = () => clearTimeout(timer);
  root.addEventListener("pointerdown", (event) => {
    end();
    done = false;
    const pressed = event.target.closest(selector);
    if (event.pointerType !== "touch" || !pressed) return;
    from = { x: event.clientX, y: event.clientY };
    timer = setTimeout(() => {
      done = true;
      call(pressed, from);
    }, LONG_MS);
  });
  root.addEventListener("pointermove", (event) => Math.hypot(event.clientX - from.x, event.clientY - from.y) > STILL_PX && end());
  root.addEventListener("pointerup", end);
  root.addEventListener("pointercancel", end);
  // Lifting the finger after a long press is no click.
  root.addEventListener("click", (event) => done && event.detail && (event.preventDefault(), event.stopPropagation()), true);
  root.addEventListener("contextmenu", (event) => {
    const pressed = event.target.closest(selector);
    if (!pressed) return;
    event.preventDefault();
    end();
    if (!done) call(pressed, placeOf(event, pressed));
    done = event.pointerType === "touch";
  });
}

/** From the keyboard there is no place: below the row's beginning. */
function placeOf(event, pressed) {
  if (event.clientX || event.clientY) return { x: event.clientX, y: event.clientY };
  const { left, bottom } = pressed.getBoundingClientRect();
  return { x: left + 16, y: bottom - 8 };
}
