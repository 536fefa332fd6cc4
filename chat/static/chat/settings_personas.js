/**
 * The choice of a persona; on the computer itself, also making and changing them.
 *
 * @module
 */

import { iconButton, make } from "./dom.js";
import { choice, field, sentenceOf, sure } from "./settings_parts.js";
import { SamplingPanel } from "./settings_sampling.js";
import { words } from "./words.js";

const MOST_NAME = 100;
const MOST_DESCRIPTION = 200;

export class PersonasPanel {
  /** @param {import("./settings.js").Settings} settings */
  constructor(settings) {
    this.settings = settings;
    this.about = make("p", { className: "does" });
    this.list = make("div", { className: "choices", role: "group", "aria-label": words.set.sections.persona });
    this.add = make("button", { type: "button", className: "plain-button", onclick: () => this.#edit(null) }, words.set.personaNew_);
    this.foot = make("p", { className: "does" }, words.set.personaOwner);
    this.place = make("div");
    this.root = make("div", { className: "personas" }, this.about, this.list, this.add, this.foot, this.place);
    /** @type {PersonaForm|null} */
    this.form = null;
  }

  show() {
    const { settings } = this;
    this.about.textContent = settings.conversation ? words.set.personaHere : words.set.personaNew;
    this.add.hidden = !settings.host || Boolean(this.form);
    this.foot.hidden = settings.host;
    const wanted = JSON.stringify([settings.personas, settings.persona?.id, settings.host]);
    if (wanted !== this.shown) this.#showList();
    this.shown = wanted;
  }

  #showList() {
    const focus = [...this.list.querySelectorAll("button")].indexOf(document.activeElement);
    const { settings } = this;
    const chosen = settings.persona?.id ?? null;
    const onclick = () => settings.change({ persona: null });
    const none = choice({ name: words.set.personaNone, about: words.set.personaNoneAbout, chosen: chosen === null, onclick });
    this.list.replaceChildren(line(none), ...settings.personas.map((persona) => this.#line(persona, chosen)));
    if (focus >= 0) this.list.querySelectorAll("button")[focus]?.focus();
  }

  #line(persona, chosen) {
    const { id, name, description } = persona;
    const button = choice({ name, about: description, chosen: id === chosen, onclick: () => this.settings.change({ persona: id }) });
    return this.settings.host ? line(button, iconButton("edit", words.set.personaEdit(name), () => this.#edit(persona))) : line(button);
  }

  #edit(persona) {
    this.form?.root.remove();
    this.form = new PersonaForm(this.settings, persona, () => this.#done());
    this.place.append(this.form.root);
    this.show();
    this.form.root.scrollIntoView({ block: "nearest" });
    this.form.name.focus();
  }

  #done() {
    this.form?.root.remove();
    this.form = null;
    this.show();
    this.add.focus();
  }
}

function line(...parts) {
  return make("div", { className: "choice-line" }, ...parts);
}

/** Makes a persona, changes it, or deletes it. */
class PersonaForm {
  /** @param {import("./settings.js").Settings} settings @param {any} persona Null: a new one. @param {() => void} done */
  constructor(settings, persona, done) {
    this.settings = settings;
    this.persona = persona;
    this.done = done;
    this.options = persona?.options ?? {};
    this.name = make("input", { type: "text", maxLength: MOST_NAME, required: true, value: persona?.name ?? "", autocomplete: "off" });
    this.description = make("input", { type: "text", maxLength: MOST_DESCRIPTION, value: persona?.description ?? "", autocomplete: "off" });
    this.prompt = make("textarea", { rows: 5, maxLength: settings.data.max_chars, value: persona?.system_prompt ?? "" });
    this.wrong = make("p", { className: "wrong", role: "alert", hidden: true });
    this.save = make("button", { type: "submit", className: "main-button" }, words.set.save);
    const cancel = make("button", { type: "button", className: "plain-button", onclick: () => this.done() }, words.set.cancel);
    this.root = make(
      "form",
      { className: "persona-form", noValidate: true, onsubmit: (event) => this.#save(event) },
      make("h3", {}, persona ? words.set.personaEdit(persona.name) : words.set.personaNew_),
      field(words.set.personaName, this.name),
      field(words.set.personaDescription, this.description),
      field(words.set.personaPrompt, this.prompt, words.set.personaPromptHelp),
      this.#sampling(),
      this.wrong,
      make("div", { className: "buttons" }, this.save, cancel, ...(persona ? [sure(words.set.remove, () => this.#remove())] : [])),
    );
  }

  #sampling() {
    const { presets, model } = this.settings;
    const show = () => panel.show({ options: this.options, model, presets });
    const panel = new SamplingPanel("persona", presets, (options) => {
      this.options = options;
    });
    show();
    return make("details", {}, make("summary", {}, words.set.personaSampling), panel.root);
  }

  async #save(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    this.name.setAttribute("aria-invalid", String(!name));
    if (!name) {
      this.name.focus();
      return this.#tell(words.set.personaNoName);
    }
    const body = { name, description: this.description.value.trim(), system_prompt: this.prompt.value, options: this.options };
    const { api } = this.settings;
    await this.#try(() => (this.persona ? api.patch(`personas/${this.persona.id}`, body) : api.post("personas", body)));
  }

  async #remove() {
    await this.#try(() => this.settings.api.delete(`personas/${this.persona.id}`));
  }

  async #try(act) {
    this.save.disabled = true;
    this.#tell("");
    try {
      await act();
      await this.settings.refresh();
      this.done();
    } catch (error) {
      this.#tell(sentenceOf(error));
    } finally {
      this.save.disabled = false;
    }
  }

  #tell(sentence) {
    this.wrong.textContent = sentence;
    this.wrong.hidden = !sentence;
  }
}
