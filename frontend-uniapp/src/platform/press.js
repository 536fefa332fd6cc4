/**
 * Lifting the finger after a long press is no tap: not on what was pressed, and not on what the press has opened under the finger.
 *
 * @module
 */

/** A click comes at once after the finger is lifted, or not at all. */
const AFTER_MS = 100;

export function swallowTap() {
  // #ifdef H5
  const swallow = (event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  const end = () => setTimeout(() => removeEventListener("click", swallow, true), AFTER_MS);
  addEventListener("click", swallow, { capture: true, once: true });
  addEventListener("touchend", end, { capture: true, once: true });
  addEventListener("touchcancel", end, { capture: true, once: true });
  // #endif
}
