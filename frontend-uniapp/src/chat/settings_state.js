/**
 * What is known of models, personas and this device, and what was chosen for the open conversation. Nothing of it is drawn here.
 *
 * @module
 */

import { useOf } from "./meter_use.js";
import { Choices } from "./settings_choices.js";
import { modelOf } from "./settings_models.js";
import { understood } from "./settings_values.js";

export const LOADING_MS = 1_500;
const KNOWN = ["models", "personas", "me"];

/**
 * @typedef {object} Around
 * @property {import("./api.js").Api} api
 * @property {import("./preferences.js").Preferences} preferences
 * @property {{set(call: () => void, ms: number): any, clear(timer: any): void}} timers
 * @property {() => number} clock Milliseconds.
 * @property {() => import("./settings_models.js").Words} words
 * @property {() => void} onChange
 * @property {(sentence: string) => void} onRefused The computer would not have what was chosen.
 */
/** @typedef {{models?: import("./settings_models.js").Model[], personas?: any[], me?: any, presets?: import("./settings_values.js").Presets}} Known */

export class SettingsState {
  /** @param {Around} around @param {Known} [known] What came along already. */
  constructor(around, known = {}) {
    this.around = around;
    /** @type {import("./settings_models.js").Model[]} */
    this.models = known.models ?? [];
    this.personas = known.personas ?? [];
    this.me = known.me ?? null;
    this.presets = known.presets ?? known.me?.presets ?? {};
    /** Whether `models` is the server's whole list. */
    this.listed = Boolean(known.models);
    /** The open conversation; null before it has begun. @type {string|null} */
    this.conversation = null;
    const { api, preferences, timers, clock, onChange, onRefused } = around;
    this.choices = new Choices({ api, preferences, timers, clock, onChange: () => onChange(), onRefused: (sentence) => onRefused(sentence) });
  }

  /** The model that answers next in the open conversation. @returns {import("./settings_models.js").Model} */
  get model() {
    const { models, listed } = this;
    return modelOf({ models, listed, chosen: this.choices.of(this.conversation).model, begun: Boolean(this.conversation) }, this.around.words());
  }

  get persona() {
    const { persona } = this.choices.of(this.conversation);
    return this.personas.find((one) => one.id === persona) ?? null;
  }

  get options() {
    return this.choices.of(this.conversation).options;
  }

  /** Whether this is the computer's own browser. */
  get host() {
    return Boolean(this.me?.host);
  }

  /**
   * Another conversation is open, or the server's data of it is here. Cheap to call again.
   * @param {{id: string, created_at?: string, options?: object, persona?: number|null, model?: string}|null} meta
   *   Null: a new one. Only an id, without `created_at`: one that the server does not have yet.
   */
  turnTo(meta) {
    const id = meta?.id ?? null;
    const other = id !== this.conversation;
    if (other && this.beginning && id) this.choices.begin(id);
    this.beginning = false;
    this.conversation = id;
    const fresh = meta?.created_at && meta !== this.meta;
    this.meta = meta;
    if (fresh) this.choices.load(meta);
    if (other || fresh) this.around.onChange();
  }

  /** What a message must take along, because the server does not have it yet. @param {string|null} id Null: it begins a conversation. */
  optionsFor(id) {
    this.beginning = !id;
    const { options = {}, persona, model } = this.choices.along(id);
    const known = understood(options, this.model);
    // Back to the default model is said by its name; `model` falls back on it too where the chosen one is gone.
    const says = id ? model !== undefined : Boolean(model);
    return {
      ...(Object.keys(known).length && { options: known }),
      ...(persona && { persona }),
      ...(says && this.model.name && { model: this.model.name }),
    };
  }

  /** How much of the context the branch that is shown takes. @param {import("./reducer.js").Message[]} messages @param {Record<string, import("./reducer.js").Run>} runs */
  useOf(messages, runs) {
    const newest = [...messages].reverse().find((message) => message.role === "assistant");
    const other = newest?.model && newest.model !== this.model.name;
    return useOf(messages, runs, other ? (this.model.context_window ?? null) : null);
  }

  /** There is a connection again: store what waits, and look what is there. */
  online() {
    this.choices.flush();
    this.refresh();
  }

  /** @param {Partial<import("./settings_choices.js").Chosen>} changes */
  change(changes) {
    this.choices.change(this.conversation, changes);
  }

  /** Ask anew which models and personas there are, and who this is. What cannot be asked stays as it was. */
  async refresh() {
    await Promise.all(KNOWN.map((name) => this.#ask(name)));
    this.around.onChange();
    this.#watchLoading();
  }

  /** Another computer is talked to. */
  close() {
    this.closed = true;
    this.around.timers.clear(this.looking);
    this.choices.close();
  }

  /** @param {"models"|"personas"|"me"} name */
  async #ask(name) {
    const answer = await this.around.api.get(name).catch(() => null);
    this[name] = answer ?? this[name];
    if (name === "models" && answer) this.listed = true;
    if (name === "me" && answer?.presets) this.presets = answer.presets;
  }

  /** While a model loads, look again. */
  #watchLoading() {
    const { timers } = this.around;
    timers.clear(this.looking);
    if (this.closed || !this.models.some((one) => one.state === "loading")) return;
    const look = async () => {
      await this.#ask("models");
      this.around.onChange();
      this.#watchLoading();
    };
    this.looking = timers.set(look, LOADING_MS);
  }
}
