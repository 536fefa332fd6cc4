/**
 * Thumbs up and down under an answer, and a place to say why.
 *
 * @module
 */

import { iconButton, make } from "./dom.js";
import { words } from "./words.js";

const MOST_CHARS = 2_000;

export class Feedback {
  /** @param {(rating: 1|-1|0, comment: string) => void} rate */
  constructor(rate) {
    this.rate = rate;
    this.rating = 0;
    /** What the comment is written for; the server may not have heard of it yet. @type {1|-1} */
    this.pressed = 1;
    this.up = iconButton("up", words.good, () => this.#press(1));
    this.down = iconButton("thumb-down", words.bad, () => this.#press(-1));
    this.buttons = [this.up, this.down];
    this.field = make("textarea", { rows: 2, maxLength: MOST_CHARS, "aria-label": words.whyLabel });
    this.form = make(
      "form",
      { className: "feedback", hidden: true, onsubmit: (event) => this.#say(event), onkeydown: (event) => event.key === "Escape" && this.#close() },
      this.field,
      make("button", { type: "submit", className: "text-button" }, words.sendFeedback),
      make("button", { type: "button", className: "text-button", onclick: () => this.#close() }, words.notNow),
    );
  }

  /** @param {import("./reducer.js").Message} message @param {boolean} live */
  show(message, live) {
    if (message.comment !== this.comment) {
      this.comment = message.comment;
      if (this.form.hidden) this.field.value = message.comment;
    }
    this.rating = message.rating;
    this.up.setAttribute("aria-pressed", String(message.rating === 1));
    this.down.setAttribute("aria-pressed", String(message.rating === -1));
    if (live) this.form.hidden = true;
  }

  /** The same thumb again takes it back. */
  #press(rating) {
    const taken = this.rating === rating;
    this.form.hidden = taken;
    this.rate(taken ? 0 : rating, taken ? "" : (this.comment ?? ""));
    if (taken) return;
    this.pressed = rating;
    this.field.placeholder = rating === 1 ? words.whyGood : words.whyBad;
    this.field.focus();
  }

  #say(event) {
    event.preventDefault();
    this.rate(this.pressed, this.field.value.trim());
    this.#close();
  }

  #close() {
    this.form.hidden = true;
    (this.pressed === -1 ? this.down : this.up).focus();
  }
}
