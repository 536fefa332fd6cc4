/**
 * Sampling values: which layer a value comes from, what is within range, and where on its slider it lies. Pure.
 *
 * @module
 */

/** @typedef {import("./protocol.js").Options} Options */
/** @typedef {{options?: Options}} Persona */
/** @typedef {{parameters?: string[], sampling?: Options, context_window?: number|null}} Model */
/** @typedef {Record<string, Options>} Presets The values of each preset, by its name. */
/** @typedef {{options: Options, persona?: Persona|null, model?: Model|null, presets: Presets}} Layers */
/** @typedef {{type: string, min?: number, max?: number, above?: number}} Range As protocol.js has it. */
/** @typedef {"here"|"preset"|"persona"|"model"|""} Source Where a value comes from; nothing where nobody says one. */

export const NUMBERS = ["temperature", "max_tokens", "top_p", "top_k", "min_p", "repetition_penalty"];
export const PARAMETERS = [...NUMBERS, "seed", "stop", "thinking"];
export const MOST_STOPS = 8;
export const MOST_STOP_CHARS = 64;

/** What does nothing: shown where nobody says a value. */
const NEUTRAL = { temperature: 1, max_tokens: 1024, top_p: 1, top_k: 0, min_p: 0, repetition_penalty: 1 };

/**
 * The value that will hold, and who says it. The same layers as on the server, strongest first.
 * @param {string} name
 * @param {Layers} layers
 * @returns {{value: any, source: Source}}
 */
export function effective(name, layers) {
  const found = all(layers).find(([, values]) => values?.[name] !== undefined && values[name] !== null);
  return found ? { value: found[1][name], source: found[0] } : { value: undefined, source: "" };
}

/** @returns {[Source, Options|undefined][]} */
function all({ options, persona, model, presets }) {
  const its = persona?.options;
  return [
    ["here", options],
    ["preset", presets[options.preset]],
    ["persona", its],
    ["persona", presets[its?.preset]],
    ["model", model?.sampling],
  ];
}

/** Options with one value more, or one less. @param {Options} options @param {string} name @param {any} value */
export function withValue(options, name, value) {
  const { [name]: _, ...rest } = options;
  return value === undefined ? rest : { ...rest, [name]: value };
}

/**
 * Options with a preset; values of one's own that it would set go, others (a seed, say) stay.
 * @param {Options} options
 * @param {string} preset
 * @param {Presets} presets
 */
export function withPreset(options, preset, presets) {
  const own = Object.keys(Object.assign({}, ...Object.values(presets)));
  const sets = new Set([...own.filter((name) => name !== "max_tokens"), ...Object.keys(presets[preset] ?? {})]);
  const kept = Object.entries(options).filter(([name]) => name !== "preset" && !sets.has(name));
  return { ...Object.fromEntries(kept), preset };
}

/** Whether values of one's own stand beside the preset. @param {Options} options @param {Presets} presets */
export function isChanged(options, presets) {
  const values = presets[options.preset] ?? {};
  return NUMBERS.some((name) => options[name] !== undefined && options[name] !== values[name]);
}

/** Does the model understand this? Unknown: as far as anybody knows, yes. @param {string} name @param {Model|null|undefined} model */
export function understands(name, model) {
  return !model?.parameters?.length || model.parameters.includes(name);
}

/** Without what the model would refuse. @param {Options} options @param {Model|null|undefined} model */
export function understood(options, model) {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name === "preset" || understands(name, model)));
}

// --- numbers ----------------------------------------------------------------------------------------------------------------------

/**
 * A number as it was typed.
 * @param {string} text
 * @param {Range} range
 * @returns {{value?: number, wrong?: "number"|"whole"|"range"}} Nothing typed: neither.
 */
export function parseNumber(text, range) {
  const typed = text.trim().replace(",", ".");
  if (!typed) return {};
  const value = Number(typed);
  if (!Number.isFinite(value)) return { wrong: "number" };
  if (range.type === "integer" && !Number.isInteger(value)) return { wrong: "whole" };
  const low = range.above !== undefined ? value > range.above : value >= (range.min ?? -Infinity);
  return low && value <= (range.max ?? Infinity) ? { value } : { wrong: "range" };
}

const COUNTS = [1, 2, 3, 5, 10, 20, 30, 40, 50, 80, 100, 200, 500, 1000];
const LENGTHS = Array.from({ length: 14 }, (_, power) => 16 * 2 ** power);

/**
 * A slider's positions. What has no even scale goes by a list of values; `0` of top_k, which keeps all, lies where the most are kept.
 * @param {string} name
 * @param {Model|null|undefined} model
 * @returns {{min: number, max: number, step: number, values?: number[]}}
 */
export function scaleOf(name, model) {
  if (name === "top_k") return list([...COUNTS, 0]);
  if (name === "max_tokens") return list(lengths(model?.context_window || LENGTHS[LENGTHS.length - 1]));
  if (name === "temperature") return { min: 0, max: 2, step: 0.05 };
  if (name === "repetition_penalty") return { min: 0.5, max: 2, step: 0.05 };
  return { min: name === "top_p" ? 0.01 : 0, max: 1, step: 0.01 };
}

function list(values) {
  return { min: 0, max: values.length - 1, step: 1, values };
}

/** No answer is longer than the context window. */
function lengths(most) {
  return [...LENGTHS.filter((length) => length < most), Math.min(most, LENGTHS[LENGTHS.length - 1])];
}

/** @param {string} name @param {number|undefined} value @param {ReturnType<typeof scaleOf>} scale */
export function positionOf(name, value, scale) {
  const shown = value ?? NEUTRAL[name];
  if (!scale.values) return Math.min(scale.max, Math.max(scale.min, shown));
  const exact = scale.values.indexOf(shown);
  if (exact >= 0) return exact;
  const distances = scale.values.map((one) => (one > 0 && shown > 0 ? Math.abs(Math.log(one / shown)) : Infinity));
  return distances.indexOf(Math.min(...distances));
}

/** @param {number} position @param {ReturnType<typeof scaleOf>} scale */
export function valueAt(position, scale) {
  return scale.values ? scale.values[position] : Number(position.toFixed(2));
}

// --- stop texts -------------------------------------------------------------------------------------------------------------------

/**
 * One per line; `\n` and `\t` in them stand for a line break and a tab.
 * @param {string} text
 * @returns {{value?: string[], wrong?: "stops"|"stopLength"}}
 */
export function parseStops(text) {
  const stops = [...new Set(text.split("\n").filter(Boolean).map(unescaped))];
  if (!stops.length) return {};
  if (stops.length > MOST_STOPS) return { wrong: "stops" };
  return stops.some((stop) => [...stop].length > MOST_STOP_CHARS) ? { wrong: "stopLength" } : { value: stops };
}

const unescaped = (text) => text.replace(/\\([nt\\])/g, (_, letter) => ({ n: "\n", t: "\t", "\\": "\\" })[letter]);

/** @param {string[]|undefined} stops */
export function showStops(stops) {
  return (stops ?? []).map((stop) => stop.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\t/g, "\\t")).join("\n");
}
