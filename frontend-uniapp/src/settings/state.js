/**
 * What the pages show of the settings, and the settings of the client that is open. The rules are in ../chat/settings_state.js.
 *
 * @module
 */

import { shallowReactive } from "vue";

import { sameUse } from "../chat/meter_use.js";
import { SettingsState } from "../chat/settings_state.js";
import { words } from "../app/words.js";

const NOTHING = { models: [], personas: [], me: null, presets: {}, conversation: null, options: {}, model: { name: "", state: "loading", remote: false }, persona: null };

/**
 * Whole values are replaced, never changed in place.
 * @type {{models: import("../chat/settings_models.js").Model[], personas: any[], me: any, presets: import("../chat/settings_values.js").Presets,
 *   conversation: string|null, options: import("../chat/protocol.js").Options, model: import("../chat/settings_models.js").Model, persona: any,
 *   status: "saved"|"saving"|"waiting", told: string, use: import("../chat/meter_use.js").Use|null}}
 */
export const settings = shallowReactive({ ...NOTHING, status: "saved", told: "", use: null });

/** What is kept of the computer's answers, so that the settings are there without it. */
const KEPT = ["models", "personas", "me"];

export class Settings extends SettingsState {
  /** @param {{api: import("../chat/api.js").Api, preferences: import("../chat/preferences.js").Preferences, tell: (sentence: string) => void}} around */
  constructor({ api, preferences, tell }) {
    const known = Object.fromEntries(KEPT.map((name) => [name, preferences.get(`known.${name}`, undefined)]).filter(([, value]) => value));
    super(
      {
        api,
        preferences,
        timers: { set: (call, ms) => setTimeout(call, ms), clear: (timer) => clearTimeout(timer) },
        clock: () => Date.now(),
        words: () => words,
        onChange: () => this.#show(),
        onRefused: (sentence) => this.#refused(sentence),
      },
      known,
    );
    this.preferences = preferences;
    this.tell = tell;
    // The list is from another day: a model that is not in it may be there now.
    this.listed = false;
    settings.use = null;
    this.#show();
  }

  start() {
    this.online();
  }

  /** @param {Partial<import("../chat/settings_choices.js").Chosen>} changes */
  change(changes) {
    settings.told = "";
    super.change(changes);
  }

  async refresh() {
    await super.refresh();
    if (this.closed) return;
    for (const name of KEPT) this.#keep(`known.${name}`, this[name]);
  }

  /** The branch that is shown, for the context meter. @param {import("../chat/reducer.js").Message[]} messages @param {Record<string, any>} runs */
  showUse(messages, runs) {
    const use = this.useOf(messages, runs);
    if (!sameUse(use, settings.use)) settings.use = use;
  }

  #keep(name, value) {
    if (JSON.stringify(this.preferences.get(name, null)) !== JSON.stringify(value)) this.preferences.set(name, value ?? undefined);
  }

  #refused(sentence) {
    settings.told = words.set.refused(sentence);
    this.tell(settings.told);
  }

  #show() {
    if (this.closed) return;
    const { models, personas, me, presets, conversation, options, model, persona } = this;
    Object.assign(settings, { models, personas, me, presets, conversation, options, model, persona, status: this.choices.status(conversation) });
  }
}

/** No computer is talked to. */
export function closeSettings() {
  Object.assign(settings, NOTHING, { status: "saved", told: "", use: null });
}
