/**
 * Theme, language and text size.
 *
 * @module
 */

import { cookieOf, LANGUAGE, THEME } from "./cookies.js";
import { make } from "./dom.js";
import { setTheme, showSize, SIZES } from "./looks.js";
import { words } from "./words.js";

export class AppearancePanel {
  /** @param {import("./settings.js").Settings} settings */
  constructor(settings) {
    const { preferences } = settings;
    const size = (value) => {
      preferences.set("size", value);
      showSize(value);
    };
    const sizes = Object.fromEntries(SIZES.map((one) => [one, words.set.sizes[one]]));
    const sample = make("p", { className: "size-sample" }, words.set.sizeSample);
    this.root = make(
      "div",
      { className: "appearance" },
      radios(words.set.theme, words.set.themes, cookieOf(THEME, document.cookie), setTheme),
      radios(words.set.language, words.set.languages, cookieOf(LANGUAGE, document.cookie), (language) => settings.speak(language), words.set.languageAbout),
      radios(words.set.size, sizes, preferences.get("size", "normal"), size, "", sample),
    );
  }

  show() {}
}

/** One of several, each a word. Native radio buttons: arrows, names and states come from the browser. */
function radios(title, labels, chosen, change, about = "", ...more) {
  const name = `settings-${title}`;
  const lines = Object.entries(labels).map(([value, label]) => {
    const input = make("input", { type: "radio", name, value, checked: value === chosen, onchange: () => change(value) });
    return make("label", { className: "radio" }, input, make("span", {}, label));
  });
  const help = about ? [make("p", { className: "does" }, about)] : [];
  return make("fieldset", {}, make("legend", {}, title), make("div", { className: "radios" }, ...lines), ...help, ...more);
}
