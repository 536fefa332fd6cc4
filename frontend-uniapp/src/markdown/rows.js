/**
 * Tokens to rows: what stands below one another, without nesting. What a row stands in (lists, quotes) is told by the rails to its left, so that
 * a template needs no recursion, and a finished row never changes.
 *
 * @module
 */

import { formulaRun, plainRuns, runsOf } from "./inline.js";

/** @typedef {import("./inline.js").Run} Run */

/**
 * What stands to the left of a row: the line of a quote, the mark of an item, or the room that the mark took in the rows before.
 * @typedef {object} Rail
 * @property {"quote"|"step"|"mark"} kind
 * @property {string} text Of a mark: a bullet or a number.
 * @property {boolean|null} done Of a task: whether it is.
 * @property {boolean} wide The mark is long.
 */

/**
 * @typedef {object} Row
 * @property {"text"|"heading"|"rule"|"code"|"math"|"table"|"plain"} kind
 * @property {Rail[]} rails
 * @property {number} gap To the row above, in pixels.
 * @property {boolean} quoted
 * @property {Run[]} [runs] @property {number} [level] Of a heading.
 * @property {string} [language] @property {string} [code]
 * @property {Run} [formula]
 * @property {Cell[][]} [cells] Of a table, the titles first.
 */
/** @typedef {{runs: Run[], align: string}} Cell */

/** Deeper than this, text stands without further structure. */
const DEEPEST = 40;
const BULLETS = ["•", "◦", "▪"];
const LONG_MARK = 4;
const QUOTE = { kind: "quote", text: "", done: null, wide: false };
const STEP = { kind: "step", text: "", done: null, wide: false };
const WIDE_STEP = { ...STEP, wide: true };

/**
 * @param {any[]} tokens marked's
 * @param {{words: any, start?: number|null}} options `start`: the number of the first item, instead of its own.
 * @returns {Row[]}
 */
export function rowsOf(tokens, { words, start = null }) {
  const maker = new Maker(words, start);
  maker.blocks(tokens, [], 0);
  return maker.rows;
}

/** A row that stands in nothing. @param {Row["kind"]} kind @param {any} more @returns {Row} */
export const rowOf = (kind, more) => ({ kind, rails: [], gap: 0, quoted: false, ...more });

/** Between two rows, in pixels. @param {Row|undefined} above @param {Row} row @param {boolean} [begins] It is the first one of a list. */
export function gapOf(above, row, begins = false) {
  if (!above) return 0;
  if (above.kind === "rule" || row.kind === "rule") return 20;
  if (row.kind === "heading") return 24;
  if (above.kind === "heading") return 8;
  if (begins) return 12;
  const listed = (one) => one.rails.some(({ kind }) => kind !== "quote");
  if (listed(above) && row.rails.some(({ kind }) => kind === "mark")) return 4;
  return listed(above) && listed(row) ? 6 : 12;
}

/** @param {any} token A table. @param {any} words @returns {Cell[][]} */
export function cellsOf(token, words) {
  const cell = ({ tokens, align }) => ({ runs: runsOf(tokens, words), align: align ?? "" });
  return [token.header.map(cell), ...token.rows.map((row) => row.map(cell))];
}

class Maker {
  constructor(words, start) {
    this.words = words;
    this.start = start;
    /** @type {Row[]} */
    this.rows = [];
  }

  /** Items on the way stand as `{mark}`: the first row in one has its mark, the others the room of it. */
  add(kind, rails, more) {
    const shown = rails.map((rail) => {
      if (!rail.mark) return rail;
      if (rail.used) return rail.mark.wide ? WIDE_STEP : STEP;
      rail.used = true;
      return rail.mark;
    });
    const row = { kind, rails: shown, gap: 0, quoted: rails.includes(QUOTE), ...more };
    row.gap = gapOf(this.rows[this.rows.length - 1], row);
    this.rows.push(row);
  }

  blocks(tokens, rails, depth) {
    for (const token of tokens) this.block(token, rails, depth);
  }

  block(token, rails, depth) {
    if (depth > DEEPEST) return this.add("text", rails, { runs: plainRuns(token.raw ?? "") });
    switch (token.type) {
      case "space":
      case "def":
      case "checkbox":
        return undefined;
      case "plain":
        return this.add("plain", rails, { runs: plainRuns(token.raw) });
      case "heading":
        return this.add("heading", rails, { level: Math.min(6, token.depth + 2), runs: this.runs(token) });
      case "hr":
        return this.add("rule", rails, {});
      case "blockquote":
        return this.blocks(token.tokens, [...rails, QUOTE], depth + 1);
      case "list":
        return this.list(token, rails, depth);
      case "code":
        return this.add("code", rails, { language: /^[\w+#.-]{0,30}/.exec(token.lang ?? "")[0], code: token.text });
      case "table":
        return this.add("table", rails, { cells: cellsOf(token, this.words) });
      case "formula":
        return this.add("math", rails, { formula: formulaRun(token.tex, true) });
      case "paragraph":
      case "text":
        return this.line(token, rails);
      default:
        return this.add("text", rails, { runs: plainRuns(token.raw) });
    }
  }

  runs(token) {
    return runsOf(token.tokens ?? [{ type: "text", text: token.text }], this.words);
  }

  /** A paragraph; one that is nothing but a formula is that. */
  line(token, rails) {
    const runs = this.runs(token);
    if (runs.length === 1 && runs[0].display) this.add("math", rails, { formula: runs[0] });
    else this.add("text", rails, { runs });
  }

  list(token, rails, depth) {
    const level = rails.filter(({ mark }) => mark).length;
    const first = this.start !== null && depth === 0 ? this.start : Number(token.start) || 0;
    token.items.forEach((item, place) => this.item(item, token.ordered ? `${first + place}.` : BULLETS[Math.min(level, BULLETS.length - 1)], rails, depth));
  }

  item(item, text, rails, depth) {
    const mark = { kind: "mark", text: item.task ? "" : text, done: item.task ? Boolean(item.checked) : null, wide: text.length >= LONG_MARK };
    const rail = { mark, used: false };
    this.blocks(item.tokens, [...rails, rail], depth + 1);
    if (!rail.used) this.add("text", [...rails, rail], { runs: [] });
  }
}
