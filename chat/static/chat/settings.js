/**
 * The settings of the page: the picker, the context meter, and the dialog that shows what was chosen and changes it.
 *
 * @module
 */

import { LANGUAGE } from "./cookies.js";
import { byId, iconButton, make } from "./dom.js";
import { cookie, COOKIES, showSize } from "./looks.js";
import { Meter } from "./meter.js";
import { Picker } from "./picker.js";
import { Preferences } from "./preferences.js";
import { AppearancePanel } from "./settings_appearance.js";
import { DataPanel } from "./settings_data.js";
import { PersonasPanel } from "./settings_personas.js";
import { SamplingPanel } from "./settings_sampling.js";
import { SettingsState } from "./settings_state.js";
import { words } from "./words.js";

const SECTIONS = ["sampling", "persona", "appearance", "data"];

/**
 * @typedef {object} Around
 * @property {import("./api.js").Api} api
 * @property {any} data The page's data: owner, max_chars, presets, and where they came along model, models, personas and me.
 * @property {(sentence: string) => void} say Where the dialog is closed.
 * @property {() => void} [onChange] Something was chosen, or the model's state is another.
 * @property {() => void} [keep] The page goes away: keep what is being written.
 */

export class Settings extends SettingsState {
  /** @param {Around} around */
  constructor({ api, data, say, onChange = () => {}, keep = () => {} }) {
    const preferences = new Preferences(localStorage, data.owner);
    const timers = { set: (call, ms) => setTimeout(call, ms), clear: (timer) => clearTimeout(timer) };
    const tell = { onChange: () => this.#changed(), onRefused: (sentence) => this.#refused(sentence) };
    super({ api, preferences, timers, clock: () => Date.now(), words: () => words, ...tell }, data);
    Object.assign(this, { api, data, preferences, say, onChange, keep });
    showSize(this.preferences.get("size", "normal"));
    this.picker = new Picker(this);
    this.picker.show();
    this.meter = new Meter();
    byId("open-settings").onclick = () => this.open();
    addEventListener("pagehide", () => this.choices.flush());
    this.refresh();
    this.choices.flush();
  }

  // --- for the page -------------------------------------------------------------------------------------------------------------

  /** The branch that is shown, for the context meter. @param {any[]} messages @param {Record<string, any>} runs */
  showUse(messages, runs) {
    this.meter.show(this.useOf(messages, runs));
  }

  /** @param {Partial<import("./settings_choices.js").Chosen>} changes */
  change(changes) {
    this.#tell("");
    super.change(changes);
  }

  // --- the dialog ---------------------------------------------------------------------------------------------------------------

  /** @param {string} [section] */
  open(section = this.preferences.get("section", SECTIONS[0])) {
    this.dialog ??= this.#build();
    this.refresh();
    if (!this.dialog.open) this.dialog.showModal();
    this.#turnToSection(SECTIONS.includes(section) ? section : SECTIONS[0], true);
  }

  #build() {
    this.sampling = new SamplingPanel("sampling", this.presets, (options) => this.change({ options }));
    this.samplingAbout = make("p", { className: "does" });
    this.panels = { persona: new PersonasPanel(this), appearance: new AppearancePanel(this), data: new DataPanel(this) };
    const roots = { sampling: make("div", {}, this.samplingAbout, this.sampling.root), ...mapped(this.panels, (panel) => panel.root) };
    this.tabs = SECTIONS.map((name) => this.#tab(name));
    this.pages = SECTIONS.map((name) => page(name, roots[name]));
    this.status = make("p", { className: "settings-status", role: "status" });
    const close = iconButton("close", words.set.close, () => this.dialog.close());
    const head = make("header", { className: "settings-head" }, make("h2", { id: "settings-title" }, words.set.title), this.status, close);
    const tabs = make("div", { role: "tablist", className: "settings-tabs", "aria-labelledby": "settings-title" }, ...this.tabs);
    tabs.onkeydown = (event) => this.#key(event);
    const frame = make("div", { className: "settings-frame" }, head, tabs, ...this.pages);
    const dialog = make("dialog", { className: "settings", "aria-labelledby": "settings-title" }, frame);
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.onclose = () => this.choices.flush();
    document.body.append(dialog);
    return dialog;
  }

  #tab(name) {
    const onclick = () => this.#turnToSection(name);
    const names = { id: `settings-tab-${name}`, "aria-controls": `settings-page-${name}` };
    return make("button", { type: "button", role: "tab", ...names, onclick }, words.set.sections[name]);
  }

  #turnToSection(name, focus = false) {
    const place = SECTIONS.indexOf(name);
    this.section = name;
    this.#tell("");
    this.preferences.set("section", name);
    this.tabs.forEach((tab, at) => {
      tab.setAttribute("aria-selected", String(at === place));
      tab.tabIndex = at === place ? 0 : -1;
      this.pages[at].hidden = at !== place;
    });
    if (focus) this.tabs[place].focus();
    this.#show();
    this.panels[name]?.opened?.();
  }

  /** Arrows go from tab to tab, whichever way they lie. */
  #key(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const place = SECTIONS.indexOf(this.section);
    const goal = { Home: 0, End: SECTIONS.length - 1 }[event.key] ?? (event.key in steps ? place + steps[event.key] : -1);
    if (goal < 0 && !(event.key in steps)) return;
    event.preventDefault();
    this.#turnToSection(SECTIONS[(goal + SECTIONS.length) % SECTIONS.length], true);
  }

  #show() {
    if (!this.dialog?.open) return;
    const { options } = this;
    this.samplingAbout.textContent = this.conversation ? words.set.samplingHere : words.set.samplingNew;
    this.sampling.show({ options, persona: this.persona, model: this.model, presets: this.presets });
    for (const panel of Object.values(this.panels)) panel.show();
    this.#showStatus();
  }

  #showStatus() {
    const status = this.choices.status(this.conversation);
    const sentence = this.told || { saved: this.wasSaving ? words.set.saved : "", saving: words.set.saving, waiting: words.set.waiting }[status];
    this.wasSaving = this.wasSaving || status !== "saved";
    if (this.status.textContent !== sentence) this.status.textContent = sentence;
  }

  #tell(sentence) {
    this.told = sentence;
    this.wasSaving = false;
  }

  #refused(sentence) {
    const whole = words.set.refused(sentence);
    if (this.dialog?.open) this.#tell(whole);
    else this.say(whole);
  }

  #changed() {
    this.picker?.show();
    this.#show();
    this.onChange();
  }

  // --- what the sections ask for ------------------------------------------------------------------------------------------------

  /** The page in another language; what is being written is kept first. @param {string} language */
  speak(language) {
    this.keep();
    cookie(LANGUAGE, language);
    location.reload();
  }

  /** All that this browser keeps for the person; the page is left at once. @param {string} address */
  forget(address) {
    this.preferences.forgetAll();
    for (const name of COOKIES) cookie(name, "");
    location.assign(address);
  }
}

function page(name, root) {
  const names = { id: `settings-page-${name}`, "aria-labelledby": `settings-tab-${name}` };
  return make("div", { role: "tabpanel", className: "settings-page", tabIndex: 0, ...names }, root);
}

/** @param {Record<string, any>} object @param {(value: any) => any} change */
function mapped(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}
