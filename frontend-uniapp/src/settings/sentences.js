/**
 * Sentences that the settings say, out of the words. Pure.
 *
 * @module
 */

/** @typedef {typeof import("../chat/words_settings.js").EN & typeof import("../words/settings.js").EN} Words */

/** What is wrong with a number. @param {"number"|"whole"|"range"} wrong @param {import("../chat/settings_values.js").Range} range @param {Words} words */
export function wrongNumber(wrong, { min, above, max }, words) {
  return wrong === "range" ? words.set.wrong.range(String(min ?? `> ${above}`), String(max)) : words.set.wrong[wrong];
}

/** Why a model cannot be told to think or not; nothing where it can. @param {import("../chat/settings_models.js").Model} model @param {boolean} understood @param {Words} words */
export function whyNotThink(model, understood, words) {
  if (understood) return "";
  return model.thinking ? words.set.alwaysThinks(model.name) : words.set.cannotThink(model.name);
}

/** @param {string|undefined} preset @param {boolean} changed @param {Words} words */
export function presetSentence(preset, changed, words) {
  const { presetNames, presetAbout, presetNone, presetChanged } = words.set;
  if (!preset) return presetNone;
  return changed ? presetChanged(presetNames[preset] ?? preset) : (presetAbout[preset] ?? "");
}

/** In a few words, how answers are sampled. @param {import("../chat/protocol.js").Options} options @param {boolean} changed @param {Words} words */
export function samplingValue(options, changed, words) {
  const name = options.preset ? (words.set.presetNames[options.preset] ?? options.preset) : words.here.own;
  return changed || (!options.preset && Object.keys(options).length) ? words.here.changed(name) : name;
}

/** What becomes of a change that the computer does not have yet, and of the last one. @param {"saved"|"saving"|"waiting"} status @param {string} told @param {Words} words */
export function statusSentence(status, told, words) {
  return told || { saved: "", saving: words.set.saving, waiting: words.set.waiting }[status];
}

/** When a device was seen, to the minute, as its phone writes dates. @param {string|null} when @param {string} language @param {Words} words */
export function seenSentence(when, language, words) {
  return when ? words.set.seen(momentOf(when, language)) : words.set.neverSeen;
}

const two = (number) => String(number).padStart(2, "0");

/** Day and time. Without `Intl`, which the App and the mini-program may not have. @param {string} when @param {string} language */
export function momentOf(when, language) {
  const at = new Date(when);
  const day = language === "en" ? `${at.getDate()} ${MONTHS[at.getMonth()]} ${at.getFullYear()}` : `${at.getFullYear()}年${at.getMonth() + 1}月${at.getDate()}日`;
  return `${day} ${timeOf(when)}`;
}

/** @param {string} when */
export function timeOf(when) {
  const at = new Date(when);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** What to say of a failed request: the server's sentence, where it could be asked. @param {any} error @param {Words} words */
export function failure(error, words) {
  return error?.status ? error.message : words.set.unreachable;
}
