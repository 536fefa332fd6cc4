/**
 * One parameter each: its name, its value, where the value comes from, what it does and what happens at either end.
 *
 * @module
 */

import { iconButton, make } from "./dom.js";
import { OPTIONS } from "./protocol.js";
import { effective, parseNumber, parseStops, positionOf, scaleOf, showStops, understands, valueAt } from "./settings_values.js";
import { words } from "./words.js";

const MOST_SEED = OPTIONS.seed.max;

/** @typedef {import("./settings_values.js").Model & {name?: string, thinking?: boolean}} Model */
/** @typedef {import("./settings_values.js").Layers & {model?: Model|null}} Layers */
/** @typedef {(name: string, value: any) => void} Change Undefined: nothing is said here any more. */

/** What all rows have in common. */
class Row {
  /** @param {string} name @param {string} prefix Makes the ids of one panel differ from another's. @param {Change} change */
  constructor(name, prefix, change) {
    this.name = name;
    this.change = (value) => change(name, value);
    this.id = `${prefix}-${name}`;
    this.says = words.set.parameters[name];
    this.source = make("span", { className: "source" });
    this.reset = iconButton("again", words.set.reset(this.says.name), () => this.#reset());
    this.reset.classList.add("reset");
    this.why = make("p", { className: "why", id: `${this.id}-why`, hidden: true });
    this.wrong = make("p", { className: "wrong", id: `${this.id}-wrong`, hidden: true });
    this.about = `${this.id}-does ${this.id}-ends ${this.id}-why ${this.id}-wrong`;
  }

  /** @param {Node} title @param {Node[]} beside @param {Node[]} below */
  build(title, beside, below) {
    const { does, low, high } = this.says;
    const name = make("div", { className: "parameter-name" }, title, " ", make("code", {}, this.name), this.source);
    const ends = make("p", { className: "ends", id: `${this.id}-ends` }, make("span", {}, low), " ", make("span", {}, high));
    this.root = make(
      "div",
      { className: "parameter" },
      make("div", { className: "parameter-head" }, name, this.reset, ...beside),
      make("p", { className: "does", id: `${this.id}-does` }, does),
      ...below,
      this.wrong,
      ends,
      this.why,
    );
  }

  field(inputMode, className) {
    return make("input", { type: "text", inputMode, className, id: this.id, autocomplete: "off", "aria-describedby": this.about });
  }

  /** @param {Layers} layers */
  show(layers) {
    const { value, source } = effective(this.name, layers);
    this.source.textContent = words.set.sources[source];
    this.root.classList.toggle("own", source === "here");
    this.why.textContent = this.whyNot(layers.model);
    this.why.hidden = !this.why.textContent;
    this.enable(this.why.hidden);
    this.showValue(value, layers);
  }

  /** Why the model cannot be told this; nothing when it can. @param {Model|null|undefined} model */
  whyNot(model) {
    return understands(this.name, model) ? "" : words.set.notUnderstood(model.name);
  }

  /** @param {string} sentence Nothing: it is right. @param {HTMLElement} input */
  tell(sentence, input) {
    this.wrong.textContent = sentence;
    this.wrong.hidden = !sentence;
    input.setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  /** In the field; what is being typed there stays, whatever is heard from the server meanwhile. */
  showNumber(value) {
    const typing = this.number.value !== this.shown || this.number.getAttribute("aria-invalid") === "true";
    if (document.activeElement === this.number && this.shown !== undefined && typing) return;
    this.tell("", this.number);
    this.shown = this.number.value = value === undefined ? "" : String(value);
  }

  #reset() {
    this.focus();
    this.change(undefined);
  }
}

export class NumberRow extends Row {
  constructor(name, prefix, change) {
    super(name, prefix, change);
    this.range = OPTIONS[name];
    this.number = this.field("decimal", "number");
    this.number.onchange = () => this.#typed();
    this.number.onkeydown = (event) => this.#step(event);
    this.slider = make("input", { type: "range", "aria-label": this.says.name, "aria-describedby": this.about });
    this.slider.oninput = () => this.change(valueAt(this.slider.valueAsNumber, this.scale));
    this.build(make("label", { htmlFor: this.id }, this.says.name), [this.number], [this.slider]);
  }

  enable(on) {
    this.number.disabled = this.slider.disabled = !on;
  }

  focus() {
    this.number.focus();
  }

  showValue(value, { model }) {
    this.scale = scaleOf(this.name, model);
    const { min, max, step } = this.scale;
    Object.assign(this.slider, { min, max, step });
    this.slider.value = String(positionOf(this.name, value, this.scale));
    this.slider.setAttribute("aria-valuetext", this.#spoken(value));
    this.showNumber(value);
    this.number.placeholder = words.set.auto;
  }

  #spoken(value) {
    if (value === undefined) return words.set.sources[""];
    return this.name === "top_k" && value === 0 ? words.set.all : String(value);
  }

  #typed() {
    this.shown = this.number.value;
    const { value, wrong } = parseNumber(this.number.value, this.range);
    this.tell(wrong ? wrongNumber(wrong, this.range) : "", this.number);
    if (!wrong) this.change(value);
  }

  /** A text field has no arrows of its own, and a number field would take the wheel and drop what it cannot read. */
  #step(event) {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const position = this.slider.valueAsNumber + way * this.scale.step;
    this.shown = this.number.value; // the arrow takes the place of what was being typed
    this.change(valueAt(Math.min(this.scale.max, Math.max(this.scale.min, position)), this.scale));
  }
}

export class SeedRow extends Row {
  constructor(name, prefix, change) {
    super(name, prefix, change);
    this.number = this.field("numeric", "number wide");
    this.number.onchange = () => this.#typed();
    this.dice = iconButton("dice", words.set.roll, () => this.change(crypto.getRandomValues(new Uint32Array(1))[0]));
    this.clear = iconButton("close", words.set.clear, () => this.change(undefined));
    this.build(make("label", { htmlFor: this.id }, this.says.name), [this.number, this.dice, this.clear], []);
  }

  enable(on) {
    this.number.disabled = this.dice.disabled = this.clear.disabled = !on;
  }

  focus() {
    this.number.focus();
  }

  showValue(value) {
    this.showNumber(value);
    this.number.placeholder = words.set.none;
    if (value === undefined) this.source.textContent = "";
    this.clear.disabled ||= value === undefined;
  }

  #typed() {
    this.shown = this.number.value;
    const { value, wrong } = parseNumber(this.number.value, OPTIONS.seed);
    this.tell(wrong ? wrongNumber(wrong, { min: 0, max: MOST_SEED }) : "", this.number);
    if (!wrong) this.change(value);
  }
}

export class StopRow extends Row {
  constructor(name, prefix, change) {
    super(name, prefix, change);
    this.field = make("textarea", { id: this.id, rows: 2, spellcheck: false, autocomplete: "off", "aria-describedby": this.about });
    this.field.onchange = () => this.#typed();
    this.build(make("label", { htmlFor: this.id }, this.says.name), [], [this.field]);
  }

  enable(on) {
    this.field.disabled = !on;
  }

  focus() {
    this.field.focus();
  }

  showValue(value) {
    if (document.activeElement === this.field) return;
    this.tell("", this.field);
    this.field.value = showStops(value);
    this.field.placeholder = words.set.none;
  }

  #typed() {
    const { value, wrong } = parseStops(this.field.value);
    this.tell(wrong ? words.set.wrong[wrong] : "", this.field);
    if (!wrong) this.change(value);
  }
}

export class ThinkingRow extends Row {
  constructor(name, prefix, change) {
    super(name, prefix, change);
    const button = (on) => make("button", { type: "button", onclick: () => this.change(on) }, on ? words.set.on : words.set.off);
    this.buttons = [button(false), button(true)];
    const both = make("span", { className: "segments", role: "group", "aria-labelledby": this.id, "aria-describedby": this.about }, ...this.buttons);
    this.build(make("span", { id: this.id, className: "label" }, this.says.name), [both], []);
  }

  enable(on) {
    for (const button of this.buttons) button.disabled = !on;
  }

  focus() {
    this.buttons[0].focus();
  }

  whyNot(model) {
    if (understands("thinking", model)) return "";
    return model.thinking ? words.set.alwaysThinks(model.name) : words.set.cannotThink(model.name);
  }

  showValue(value) {
    this.buttons.forEach((button, on) => button.setAttribute("aria-pressed", String(value !== undefined && value === Boolean(on))));
  }
}

function wrongNumber(wrong, { min, above, max }) {
  return wrong === "range" ? words.set.wrong.range(min ?? `> ${above}`, max) : words.set.wrong[wrong];
}
