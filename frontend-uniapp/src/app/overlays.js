/**
 * Questions and short messages that lie over whatever page is open. `ui/Overlays.vue` draws them.
 *
 * @module
 */

import { shallowReactive } from "vue";

/**
 * @typedef {object} Item
 * @property {string} name
 * @property {string} label
 * @property {string} [icon] One of ui/icons.js.
 * @property {boolean} [danger]
 * @property {boolean} [disabled]
 * @property {boolean} [checked]
 */
/** @typedef {{title: string, items: Item[]}} Choice */
/** @typedef {{title: string, text: string, yes: string, danger: boolean, field: boolean, value: string, maxlength: number}} Question */
/** @typedef {{text: string, action: {label: string, call: () => void}|null, id: number}} Toast */

/** @type {{choice: Choice|null, question: Question|null, toast: Toast|null}} */
export const overlays = shallowReactive({ choice: null, question: null, toast: null });

const TOAST_MS = 3_000;
let answer = (_value) => {};
let toasts = 0;
let timer;

/** What was open is answered with "nothing" first. */
function next(empty) {
  settle(null);
  return new Promise((resolve) => {
    answer = (value) => resolve(value ?? empty);
  });
}

/** The person has chosen, or closed it. @param {any} value Null: nothing. */
export function settle(value) {
  overlays.choice = overlays.question = null;
  const tell = answer;
  answer = () => {};
  tell(value);
}

/** @param {{title?: string, items: Item[]}} choice @returns {Promise<string|null>} The name of what was chosen. */
export function choose({ title = "", items }) {
  const chosen = next(null);
  overlays.choice = { title, items };
  return chosen;
}

/** @param {{title: string, text?: string, yes: string, danger?: boolean}} question @returns {Promise<boolean>} */
export function confirm({ title, text = "", yes, danger = false }) {
  const said = next(false);
  overlays.question = { title, text, yes, danger, field: false, value: "", maxlength: 0 };
  return said;
}

/** @param {{title: string, text?: string, value?: string, yes: string, maxlength?: number}} question @returns {Promise<string|null>} What was written. */
export function ask({ title, text = "", value = "", yes, maxlength = 200 }) {
  const said = next(null);
  overlays.question = { title, text, yes, danger: false, field: true, value, maxlength };
  return said;
}

/** A line that goes away by itself. @param {{text: string, action?: {label: string, call: () => void}, ms?: number}} toast */
export function toast({ text, action, ms = TOAST_MS }) {
  clearTimeout(timer);
  overlays.toast = { text, action: action ?? null, id: ++toasts };
  timer = setTimeout(() => (overlays.toast = null), ms);
}

/** Its action was pressed, or it is in the way. */
export function endToast(act = false) {
  const shown = overlays.toast;
  clearTimeout(timer);
  overlays.toast = null;
  if (act) shown?.action?.call();
}
