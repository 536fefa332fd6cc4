/**
 * An answer as the templates draw it: parts, one per block, each with its rows. What is finished stays the same object, so that nothing of it is
 * drawn again; only the end of a growing text is made anew.
 *
 * @module
 */

import { Blocks, mend, PENDING } from "../chat/blocks.js";
import { lex } from "./marked.js";
import { cellsOf, gapOf, rowOf, rowsOf } from "./rows.js";
import { formulaRun, plainRuns } from "./inline.js";

/** @typedef {import("../chat/blocks.js").Block} Block */
/** @typedef {import("./rows.js").Row} Row */

/**
 * @typedef {object} Part
 * @property {string} key
 * @property {number} gap To the part above, in pixels.
 * @property {boolean} open It may still change. @property {boolean} note A footnote.
 * @property {Row[]} rows
 */

const MENDED = new Set(["text", "item", "note"]);
/** So many rows of a table are read together. */
const ROWS = 50;

/** One answer. */
export class Model {
  /** @param {any} words */
  constructor(words) {
    this.words = words;
    this.blocks = new Blocks();
    /** @type {Made[]} */
    this.made = [];
    /** @type {import("../chat/lexer.js").Links} What `[label]: address` said. */
    this.links = Object.create(null);
    this.learned = 0;
    this.began = 0;
  }

  /**
   * @param {string} text All of it so far. @param {boolean} live Whether it grows.
   * @returns {Part[]}
   */
  update(text, live) {
    const list = this.blocks.update(text, live);
    if (this.began !== this.blocks.began) this.#begin();
    this.made.length = Math.min(this.made.length, list.length);
    for (let at = 0; at < list.length; at += 1) {
      const made = (this.made[at] ??= new Made(this, at));
      made.show(list[at], live && at === list.length - 1, this.made[at - 1]);
    }
    this.#learn();
    return this.made.map(({ part }) => part);
  }

  /** The text is another one: what it said about addresses is forgotten. */
  #begin() {
    this.began = this.blocks.began;
    this.links = Object.create(null);
    this.learned = 0;
    for (const made of this.made) made.forget();
  }

  /** Addresses that were said further down than where they are used. */
  #learn() {
    const finished = this.made.slice(this.learned, this.blocks.done);
    this.learned = Math.max(this.learned, this.blocks.done);
    const fresh = finished.flatMap(({ links }) => Object.entries(links ?? {})).filter(([label]) => !Object.hasOwn(this.links, label));
    if (!fresh.length) return;
    Object.assign(this.links, Object.fromEntries(fresh.reverse()));
    for (const made of this.made) if (fresh.some(([label]) => made.source.toLowerCase().includes(`[${label}]`))) made.drawAnew();
  }
}

/** What was made of one block. */
class Made {
  /** @param {Model} owner @param {number} at */
  constructor(owner, at) {
    this.owner = owner;
    this.key = `p${at}`;
    /** @type {Block|null} */
    this.block = null;
    this.source = "";
    this.number = 0;
    /** @type {Part} */
    this.part = { key: this.key, gap: 0, open: true, note: false, rows: [] };
  }

  forget() {
    this.block = null;
    this.opening = undefined;
  }

  /** @param {Block} block @param {boolean} growing It is the last one of a text that grows. @param {Made|undefined} before */
  show(block, growing, before) {
    const source = growing && MENDED.has(block.kind) ? mend(block.text) : block.text;
    const number = numberOf(block, before);
    const same = this.block && this.kind === block.kind && this.source === source && this.open === block.open && this.growing === growing;
    /** The row above; a part may have none, where the text only says an address. */
    this.above = before?.last;
    this.block = block;
    if (same && this.number === number) return this.#place();
    Object.assign(this, { kind: block.kind, source, open: block.open, growing, number });
    this.draw();
  }

  /** Make the rows; those that are as they were stay the same objects. */
  draw() {
    const rows = reuse(this.part.rows, this.#rows());
    const open = Boolean(this.growing || this.block?.open);
    const note = this.kind === "note";
    if (rows !== this.part.rows || open !== this.part.open || note !== this.part.note) this.part = { ...this.part, rows, open, note };
    this.#place();
  }

  /** What links stand for has become known. */
  drawAnew() {
    this.opening = undefined;
    this.draw();
  }

  #place() {
    const { rows } = this.part;
    const begins = this.block?.kind === "item" && !this.block.follows;
    const gap = rows.length ? gapOf(this.above, rows[0], begins) : 0;
    this.last = rows[rows.length - 1] ?? this.above;
    if (gap !== this.part.gap) this.part = { ...this.part, gap };
  }

  /** @returns {Row[]} */
  #rows() {
    const block = /** @type {Block} */ (this.block);
    const { words } = this.owner;
    if (block.kind === "code") return [rowOf("code", { language: block.lang, code: block.code })];
    if (block.kind === "math") return [rowOf("math", { formula: formulaRun(block.closed ? block.tex : block.tex + PENDING, true) })];
    if (block.kind === "table") return [rowOf("table", { cells: this.#cells(block.lines) })];
    if (block.kind === "note") return this.#note(block.label);
    return rowsOf(this.#lex(this.source), { words, start: block.kind === "item" && block.start !== null ? this.number : null });
  }

  /** The tokens of a Markdown; what it says about addresses is kept. */
  #lex(source) {
    this.links = Object.assign(Object.create(null), this.owner.links);
    return lex(source, this.links);
  }

  /** A table row by row: what stands in a finished line is not read again. */
  #cells([head, dashes, ...lines]) {
    const opening = `${head}\n${dashes}\n`;
    if (this.opening !== opening) {
      this.opening = opening;
      const [token] = this.#lex(opening);
      this.head = token?.type === "table" ? cellsOf(token, this.owner.words)[0] : [{ runs: plainRuns(opening), align: "" }];
      /** @type {{line: string, cells: any[]}[]} */
      this.lines = [];
    }
    this.lines.length = Math.min(this.lines.length, lines.length);
    let from = this.lines.findIndex(({ line }, place) => line !== lines[place]);
    if (from < 0) from = this.lines.length;
    for (; from < lines.length; from += ROWS) this.#read(lines.slice(from, from + ROWS), from);
    return [this.head, ...this.lines.map(({ cells }) => cells)];
  }

  #read(lines, from) {
    const [token] = this.#lex(this.opening + lines.join("\n"));
    const [, ...rows] = token?.type === "table" ? cellsOf(token, this.owner.words) : [];
    lines.forEach((line, place) => (this.lines[from + place] = { line, cells: rows[place] ?? [{ runs: plainRuns(line), align: "" }] }));
  }

  #note(label) {
    const { source } = this;
    const text = source.slice(source.indexOf("]:") + 2).replace(/^[ \t]+/, "").replace(/\n {1,4}/g, "\n");
    const rows = rowsOf(this.#lex(text), { words: this.owner.words });
    if (!rows.length) rows.push(rowOf("text", { runs: [] }));
    const note = { kind: "mark", text: label, done: null, wide: false };
    return rows.map((row, place) => ({ ...row, rails: [place ? { ...note, kind: "step", text: "" } : note, ...row.rails] }));
  }
}

/** Items are counted from the first one, whatever their own numbers say. */
function numberOf(block, before) {
  if (block.kind !== "item" || block.start === null || block.start === undefined) return 0;
  return block.follows && before?.kind === "item" ? before.number + 1 : block.start;
}

/**
 * What is new, made of the old wherever both are the same.
 * @template T
 * @param {any} old @param {T} fresh
 * @returns {T}
 */
export function reuse(old, fresh) {
  if (old === fresh || !old || !fresh || typeof old !== "object" || typeof fresh !== "object") return fresh;
  let same = Object.keys(old).length === Object.keys(fresh).length;
  for (const [name, value] of Object.entries(fresh)) {
    const kept = reuse(old[name], value);
    if (kept !== value) fresh[name] = kept;
    if (kept !== old[name] || !Object.hasOwn(old, name)) same = false;
  }
  return same ? old : fresh;
}
