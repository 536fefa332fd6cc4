/**
 * How much of the model's context window the open conversation takes: a small ring, words where it gets full.
 *
 * @module
 */

import { byId, make } from "./dom.js";
import { isNearlyFull, percentOf, warningOf } from "./meter_use.js";
import { Popup } from "./settings_popup.js";
import { words } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
/** The circle's radius, so that its length is 100. */
const RADIUS = 100 / (2 * Math.PI);

export class Meter {
  constructor() {
    this.button = byId("meter");
    this.warning = byId("meter-warning");
    this.arc = ring(this.button);
    this.popup = new Popup(this.button, words.meter.title, () => this.#fill());
    /** @type {import("./meter_use.js").Use|null} */
    this.use = null;
  }

  /** @param {import("./meter_use.js").Use|null} use */
  show(use) {
    const wanted = JSON.stringify(use);
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.use = use;
    this.button.hidden = !use?.limit;
    this.warning.hidden = true;
    if (!use?.limit) return;
    const percent = percentOf(use);
    this.arc.setAttribute("stroke-dasharray", `${Math.min(100, percent)} 100`);
    this.button.classList.toggle("full", isNearlyFull(use));
    this.button.title = words.meter.label(percent);
    this.button.setAttribute("aria-label", words.meter.label(percent));
    const warning = warningOf(use, words);
    this.warning.hidden = !warning;
    if (this.warning.textContent !== warning) this.warning.textContent = warning;
    if (this.popup.shown) this.#fill();
  }

  #fill() {
    const lines = [words.meter.used(this.use.used, this.use.limit), words.meter.about, warningOf(this.use, words), warningOf(this.use, words) && words.meter.kept];
    this.popup.body.replaceChildren(...lines.filter(Boolean).map((line, place) => make(place ? "p" : "h2", {}, line)));
  }
}

function ring(button) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 40 40");
  svg.setAttribute("aria-hidden", "true");
  const circles = ["ring", "arc"].map((name) => {
    const circle = document.createElementNS(SVG, "circle");
    for (const [key, value] of Object.entries({ class: name, cx: 20, cy: 20, r: RADIUS })) circle.setAttribute(key, String(value));
    return circle;
  });
  svg.append(...circles);
  button.replaceChildren(svg);
  return circles[1];
}
