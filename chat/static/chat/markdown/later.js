/**
 * Answers that are far from what is seen are drawn when they come near: a long conversation opens at once.
 *
 * @module
 */

/** How far from the visible part, in its own heights. */
const NEAR = "150% 0px";
/** @type {WeakMap<Element, () => void>} */
const calls = new WeakMap();
/** @type {WeakMap<Element, IntersectionObserver>} One per scrolling box. */
const observers = new WeakMap();

/** Call once when the element comes near. @param {HTMLElement} element @param {() => void} call */
export function later(element, call) {
  calls.set(element, call);
  // Not in the page yet: its scrolling box is known a moment later.
  queueMicrotask(() => calls.has(element) && observerOf(element).observe(element));
}

/** It has been drawn. @param {HTMLElement} element */
export function never(element) {
  calls.delete(element);
  const box = element.closest(".scroller");
  if (box) observers.get(box)?.unobserve(element);
}

function observerOf(element) {
  const box = element.closest(".scroller") ?? document.documentElement;
  if (!observers.has(box)) {
    observers.set(box, new IntersectionObserver(came, { root: box === document.documentElement ? null : box, rootMargin: NEAR }));
  }
  return observers.get(box);
}

function came(entries, observer) {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    const call = calls.get(target);
    calls.delete(target);
    call?.();
  }
}
