/**
 * The sampling panel: presets on top, then every parameter with its explanation. It shows what holds and says what is to change;
 * whose options they are, a conversation's or a persona's, is not its business.
 *
 * @module
 */

import { make } from "./dom.js";
import { NumberRow, SeedRow, StopRow, ThinkingRow } from "./settings_rows.js";
import { isChanged, NUMBERS, withPreset, withValue } from "./settings_values.js";
import { words } from "./words.js";

export class SamplingPanel {
  /**
   * @param {string} prefix For the ids in it.
   * @param {import("./settings_values.js").Presets} presets
   * @param {(options: import("./protocol.js").Options) => void} change
   */
  constructor(prefix, presets, change) {
    this.presets = presets;
    this.change = change;
    const set = (name, value) => this.#changed(withValue(this.options, name, value));
    this.rows = [
      ...NUMBERS.map((name) => new NumberRow(name, prefix, set)),
      new SeedRow("seed", prefix, set),
      new StopRow("stop", prefix, set),
      new ThinkingRow("thinking", prefix, set),
    ];
    this.buttons = Object.keys(presets).map((name) => {
      const onclick = () => this.#changed(withPreset(this.options, name, presets));
      return make("button", { type: "button", onclick, value: name }, words.set.presetNames[name] ?? name);
    });
    this.about = make("p", { className: "does", id: `${prefix}-preset` });
    this.reset = make("button", { type: "button", className: "text-button", onclick: () => this.#changed({}) }, words.set.resetAll);
    const names = { "aria-label": words.set.presets, "aria-describedby": this.about.id };
    const group = make("div", { className: "segments presets", role: "group", ...names }, ...this.buttons);
    const line = make("div", { className: "preset-line" }, this.about, this.reset);
    this.root = make("div", { className: "sampling" }, group, line, ...this.rows.map((row) => row.root));
  }

  /** @param {import("./settings_rows.js").Layers} layers */
  show(layers) {
    this.options = layers.options;
    this.layers = layers;
    const { preset } = layers.options;
    const changed = isChanged(layers.options, this.presets);
    for (const button of this.buttons) button.setAttribute("aria-pressed", button.value !== preset ? "false" : changed ? "mixed" : "true");
    this.about.textContent = this.#aboutPreset(preset, changed);
    this.reset.disabled = !Object.keys(layers.options).length;
    for (const row of this.rows) row.show(layers);
  }

  #aboutPreset(preset, changed) {
    const { presetNames, presetAbout, presetNone, presetChanged } = words.set;
    if (!preset) return presetNone;
    return changed ? presetChanged(presetNames[preset] ?? preset) : (presetAbout[preset] ?? "");
  }

  #changed(options) {
    this.show({ ...this.layers, options });
    this.change(options);
  }
}
