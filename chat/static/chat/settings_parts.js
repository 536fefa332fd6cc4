/**
 * What the sections of the settings are made of.
 *
 * @module
 */

import { make } from "./dom.js";
import { words } from "./words.js";

/**
 * A line that can be chosen.
 * @param {{name: string, about?: string, note?: string, chosen: boolean, disabled?: boolean, onclick: () => void}} what
 */
export function choice({ name, about = "", note = "", chosen, disabled = false, onclick }) {
  const head = make("span", { className: "choice-name" }, name, ...(note ? [make("span", { className: "choice-note" }, note)] : []));
  const lines = [head, ...(about ? [make("span", { className: "choice-about" }, about)] : [])];
  const button = make("button", { type: "button", className: "choice", disabled, onclick }, make("span", { className: "choice-text" }, ...lines));
  button.setAttribute("aria-pressed", String(chosen));
  return button;
}

/** What to say of a failed request: the server's sentence, where it could be asked. @param {any} error */
export function sentenceOf(error) {
  return error?.status ? error.message : words.set.unreachable;
}

let count = 0;

/** A labelled field. @param {string} label @param {HTMLElement} input @param {string} [help] */
export function field(label, input, help = "") {
  const id = `settings-field-${(count += 1)}`;
  input.id = id;
  if (help) input.setAttribute("aria-describedby", `${id}-help`);
  const about = help ? [make("p", { className: "does", id: `${id}-help` }, help)] : [];
  return make("div", { className: "field" }, make("label", { htmlFor: id }, label), ...about, input);
}

const SURE_MS = 4_000;

/** A button that wants to be pressed twice. @param {string} label @param {() => void} act @param {string} [spoken] */
export function sure(label, act, spoken = label) {
  const button = make("button", { type: "button", className: "danger-button", "aria-label": spoken }, label);
  let armed = 0;
  const disarm = () => {
    clearTimeout(armed);
    armed = 0;
    button.textContent = label;
    button.setAttribute("aria-label", spoken);
  };
  button.onclick = () => {
    if (armed) {
      disarm();
      return act();
    }
    armed = setTimeout(disarm, SURE_MS);
    button.textContent = words.set.sure;
    button.setAttribute("aria-label", `${spoken}: ${words.set.sure}`);
  };
  button.onblur = () => armed && disarm();
  return button;
}
