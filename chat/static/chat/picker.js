/**
 * Who answers: the button in the header that names the model, where it runs and how it is, and the choice of another model or a persona.
 *
 * @module
 */

import { byId, make } from "./dom.js";
import { loadedOf, others, placeOf, stateOf } from "./settings_models.js";
import { choice } from "./settings_parts.js";
import { Popup } from "./settings_popup.js";
import { words } from "./words.js";

/** @typedef {import("./settings_models.js").Model} Model */

export class Picker {
  /** @param {import("./settings.js").Settings} settings */
  constructor(settings) {
    this.settings = settings;
    this.button = byId("picker");
    this.line = byId("model");
    this.popup = new Popup(this.button, words.pick.title, () => this.#fill());
    this.button.addEventListener("click", () => settings.refresh());
  }

  /** Call when anything of it may have changed. */
  show() {
    const { model, persona } = this.settings;
    const line = [persona?.name, lineOf(model)].filter(Boolean).join(" · ");
    if (this.line.textContent !== line) this.line.textContent = line;
    this.button.setAttribute("aria-label", words.pick.label(line));
    this.button.title = line;
    if (this.popup.shown) this.#fill();
  }

  /**
   * The other models, for "Answer again with …".
   * @param {(model: string) => void} answer
   * @returns {{label: string, note: string, onclick: () => void}[]}
   */
  menuItems(answer) {
    return others(this.settings.models, this.settings.model.name).map((model) => ({ label: words.pick.answerWith(model.name), note: stateOf(model, words), onclick: () => answer(model.name) }));
  }

  #fill() {
    const focus = [...this.popup.body.querySelectorAll("button")].indexOf(document.activeElement);
    const { settings } = this;
    const models = settings.models.map((model) => this.#model(model));
    const manage = make("button", { type: "button", className: "text-button", onclick: () => this.#manage() }, words.pick.manage);
    this.popup.body.replaceChildren(
      group(words.pick.models, models),
      ...(settings.personas.length ? [group(words.pick.personas, this.#personas())] : []),
      make("p", { className: "popup-foot" }, manage),
    );
    if (focus >= 0) this.popup.body.querySelectorAll("button")[focus]?.focus();
  }

  #model(model) {
    const chosen = model.name === this.settings.model.name;
    const note = model.default && this.settings.models.length > 1 ? words.pick.standard : "";
    const onclick = () => this.#choose({ model: model.default ? "" : model.name });
    return choice({ name: model.name, note, about: aboutOf(model), chosen, disabled: model.state === "failed" && !chosen, onclick });
  }

  #personas() {
    const chosen = this.settings.persona?.id ?? null;
    const choose = (persona) => this.#choose({ persona });
    const none = choice({ name: words.set.personaNone, about: words.set.personaNoneAbout, chosen: chosen === null, onclick: () => choose(null) });
    const named = this.settings.personas.map(({ id, name, description }) =>
      choice({ name, about: description, chosen: id === chosen, onclick: () => choose(id) }),
    );
    return [none, ...named];
  }

  #choose(changes) {
    this.popup.close();
    this.settings.change(changes);
  }

  #manage() {
    this.popup.close();
    this.settings.open("persona", this.button);
  }
}

function group(title, choices) {
  const id = `popup-${title}`;
  return make("section", { role: "group", "aria-labelledby": id }, make("h2", { id }, title), ...choices);
}

const whereOf = ({ remote }) => (remote ? words.pick.remote : words.pick.here);

/** The line in the header. @param {Model} model */
export function lineOf(model) {
  const { name, state } = model;
  if (state === "failed") return model.why ? `${name}: ${model.why}` : `${name} ${words.pick.failed}`;
  if (state === "loading") return `${name} ${words.pick.states.loading(loadedOf(model))}`;
  return state ? `${name} · ${whereOf(model)}` : name;
}

/** Where it runs and how much it can look at; on a line of its own how it is, unless it is ready. @param {Model} model */
function aboutOf(model) {
  const [state, place] = [stateOf(model, words), placeOf(model, words)];
  return model.state === "ready" ? `${state} · ${place}` : `${place}\n${state}`;
}
