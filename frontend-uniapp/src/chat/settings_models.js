/**
 * What is to be said of a model: where it runs, how much it can look at, how it is. Pure.
 *
 * @module
 */

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {boolean} [default]
 * @property {"ready"|"loading"|"idle"|"failed"|""} state Nothing while it is not known.
 * @property {number|null} [progress] From 0 to 1.
 * @property {number|null} [eta_s] Seconds that loading takes, where that is known.
 * @property {boolean} remote
 * @property {number|null} [context_window]
 * @property {string[]} [parameters]
 * @property {object} [sampling]
 * @property {boolean} [thinking]
 * @property {string} [why] One sentence, where it failed.
 */
/** @typedef {typeof import("./words_settings.js").EN} Words */

/** @param {Model} model Where that can be told; else 0. */
export const loadedOf = ({ progress }) => (progress ? Math.round(progress * 100) : 0);

/**
 * The model that answers next in a conversation.
 * @param {{models: Model[], listed: boolean, chosen: string, begun: boolean}} known `listed`: `models` is the server's whole list; `begun`: the
 *   conversation is stored there.
 * @param {Words} words
 * @returns {Model}
 */
export function modelOf({ models, listed, chosen, begun }, words) {
  const found = models.find((one) => one.name === chosen);
  if (found) return found;
  // The server refuses what is said to a model that is gone; a new conversation just begins with the default one.
  if (chosen && begun) return { name: chosen, state: listed ? "failed" : "", why: words.pick.gone, remote: false };
  return models.find((one) => one.default) ?? models[0] ?? { name: "", state: "loading", remote: false };
}

/** How it is, where that is worth a word below its name; nothing when it is ready. @param {Model} model @param {Words} words */
export function troubleOf(model, words) {
  if (model.state === "failed") return model.why || words.pick.failed;
  return model.state === "loading" ? words.pick.states.loading(loadedOf(model)) : "";
}

/** @param {Model} model @param {Words} words */
export function stateOf(model, words) {
  const { states, loadsOnSend, failed } = words.pick;
  if (model.state === "failed") return model.why || failed;
  if (model.state === "loading") return states.loading(loadedOf(model));
  return model.state === "idle" ? loadsOnSend(model.eta_s) : (states[model.state] ?? "");
}

/** Where it runs, and how much text it can look at. @param {Model} model @param {Words} words */
export function placeOf(model, words) {
  const place = model.remote ? words.pick.remote : words.pick.hereShort;
  return model.context_window ? `${place} · ${words.pick.window(model.context_window)}` : place;
}

/** The other models that could answer. @param {Model[]} models @param {string} name */
export function others(models, name) {
  return models.filter((model) => model.name !== name && model.state !== "failed");
}
