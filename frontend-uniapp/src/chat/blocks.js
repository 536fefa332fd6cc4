/**
 * Splits a growing Markdown text into blocks. Whatever is finished never changes again; only the end of the text is looked at anew.
 *
 * Blocks are as small as can be drawn by themselves: each item of a list at the left margin is one, so that a long list grows at its last
 * item. What stands inside a block is for a Markdown parser. Lines mean what CommonMark and GitHub's tables say, with formulas added;
 * a line of raw HTML is a line of text.
 *
 * @module
 */

/**
 * @typedef {object} Block
 * @property {"text"|"code"|"math"|"item"|"table"|"note"} kind `text` is everything that needs no special care: paragraphs, headings, quotes, rules.
 * @property {string} text Its Markdown, as written, without the blank lines behind it.
 * @property {boolean} open More of it may come.
 * @property {string} [lang] Of code: what the fence says it is.
 * @property {string} [code] Of code: what is between the fences.
 * @property {string} [tex] Of a formula: what is between its marks.
 * @property {boolean} [follows] Of an item: it continues the list of the block before it.
 * @property {number|null} [start] Of an item: its number; null where items have none.
 * @property {string} [label] Of a footnote.
 * @property {string[]} [lines] Of a table: the line of titles, the line of dashes, the rows.
 */

const FENCE = /^( {0,3})(`{3,}(?=[^`]*$)|~{3,})[ \t]*(.*)$/;
const HEADING = /^ {0,3}#{1,6}(?:[ \t]|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const UNDERLINE = /^ {0,3}(?:=+|-+)[ \t]*$/;
const QUOTE = /^ {0,3}>/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?:( +)(?=\S)|[ \t]*$)/;
const DASHES = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const NOTE = /^\[\^([^\]\s]{1,40})\]:/;
const MATH = /^ {0,3}(?:\$\$|\\\[|\\begin\{((?:equation|align|gather|multline|alignat|flalign)\*?)\})/;
const LONGEST_FORMULA = 4_000;
/** From so many characters on, a line that is still being written cannot turn into another kind of line. */
const SURE = 12;

/** One growing text. */
export class Blocks {
  constructor() {
    this.#reset();
  }

  #reset() {
    /** @type {Block[]} */
    this.list = [];
    /** Counts the times that everything began anew. */
    this.began = (this.began ?? 0) + 1;
    /** How many of the list are finished for good. */
    this.done = 0;
    this.text = "";
    this.live = true;
    this.from = 0;
  }

  /**
   * @param {string} text All of it so far. If it is not what was there with more behind it, everything begins anew.
   * @param {boolean} live Whether more may come.
   * @returns {Block[]} All blocks; those before `this.done` are the same objects as ever.
   */
  update(text, live) {
    if (!live && !this.live && text === this.text) return this.list;
    if (!text.startsWith(this.text) || !this.live) this.#reset();
    this.text = text;
    this.live = live;
    this.list.length = this.done;
    let at = this.from;
    for (let block = next(text, at, live); block; block = next(text, at, live)) {
      this.#add(block);
      at = block.end;
    }
    if (!live) this.done = this.list.length;
    return this.list;
  }

  #add({ block, start, end, sure }) {
    const before = this.list.at(-1);
    // What another block follows is finished, as soon as it is certain that it follows.
    if (before && this.done < this.list.length && isCertain(this.text, start)) this.#finish(this.list.length, start);
    if (block.kind === "item") block.follows = before?.kind === "item" && bulletOf(before) === bulletOf(block);
    this.list.push(block);
    if (sure && this.live) this.#finish(this.list.length, end);
  }

  #finish(count, from) {
    for (let place = this.done; place < count; place += 1) this.list[place].open = false;
    this.done = count;
    this.from = from;
  }
}

/** Items with the same bullet, or both numbered in the same way, make one list. */
const bulletOf = (block) => ITEM.exec(lineAt(block.text, 0))?.[2].at(-1);

function isCertain(text, start) {
  const line = lineAt(text, start);
  if (start + line.length < text.length) return true;
  return line.trimStart().length >= SURE && /[\p{L}\p{N}]/u.test(line) && !/^ {0,3}[`~]/.test(line);
}

/**
 * The block at or behind a place. `sure`: it is finished whatever comes.
 * @returns {{block: Block, start: number, end: number, sure: boolean}|null}
 */
function next(text, from, live) {
  let start = from;
  for (;;) {
    if (start >= text.length) return null;
    const end = lineEnd(text, start);
    if (text.slice(start, end).trim()) break;
    start = end + 1;
  }
  const line = lineAt(text, start);
  const found =
    code(text, start, line) ??
    math(text, start, live) ??
    single(text, start, line) ??
    note(text, start, line) ??
    item(text, start, line) ??
    quote(text, start, line) ??
    indented(text, start, line) ??
    table(text, start) ??
    paragraph(text, start);
  const raw = text.slice(start, found.end).replace(/\n\s*$/, "");
  return { block: { kind: found.kind ?? "text", text: raw, open: live, ...found.more }, start, end: found.end, sure: Boolean(found.sure) };
}

// --- lines ------------------------------------------------------------------------------------------------------------------------

/** Where the line at a place ends: at its newline, or at the end of the text. */
function lineEnd(text, start) {
  const end = text.indexOf("\n", start);
  return end < 0 ? text.length : end;
}

const lineAt = (text, start) => text.slice(start, lineEnd(text, start));
/** The start of the next line; behind the end where there is none. */
const after = (text, start) => lineEnd(text, start) + 1;
const isBlank = (line) => !line.trim();

function indentOf(line) {
  let width = 0;
  for (const sign of line) {
    if (sign === " ") width += 1;
    else if (sign === "\t") width += 4 - (width % 4);
    else break;
  }
  return width;
}

const cut = (text, end) => Math.min(end, text.length);

// --- kinds of blocks: each returns nothing where the line at `start` does not begin one ---------------------------------------------

function code(text, start, line) {
  const fence = FENCE.exec(line);
  if (!fence) return null;
  const [, indent, marks, info] = fence;
  const closing = new RegExp(`^ {0,3}\\${marks[0]}{${marks.length},}[ \\t]*$`);
  const begin = after(text, start);
  const lang = begin <= text.length ? /^[\w+#.-]{0,30}/.exec(info)[0] : "";
  const dedent = (body) => (indent ? body.replace(new RegExp(`^ {1,${indent.length}}`, "gm"), "") : body);
  for (let at = begin; at < text.length; at = after(text, at)) {
    const end = lineEnd(text, at);
    if (!closing.test(text.slice(at, end))) continue;
    const body = dedent(text.slice(begin, Math.max(begin, at - 1)));
    return { kind: "code", end: cut(text, end + 1), sure: end < text.length, more: { lang, code: body } };
  }
  // Marks at the very end may become the closing fence: they are not shown as code meanwhile.
  const body = dedent(text.slice(begin)).replace(new RegExp(`(?:^|\\n)(?: {0,3}\\${marks[0]}{1,${marks.length}})?$`), "");
  return { kind: "code", end: text.length, more: { lang, code: body } };
}

const CLOSING = { $: "$$", "[": "\\]" };

/** A formula by itself. One that is never closed is text; it ends at a blank line at the latest. */
function math(text, start, live) {
  const opening = MATH.exec(lineAt(text, start));
  if (!opening) return null;
  const environment = opening[1];
  const begin = start + opening[0].length;
  const closing = environment ? `\\end{${environment}}` : CLOSING[opening[0].at(-1)];
  const near = text.slice(begin, begin + LONGEST_FORMULA);
  const length = near.indexOf(closing);
  if (length < 0 && (!live || near.length === LONGEST_FORMULA)) return null;
  if (/\n[ \t]*\n/.test(length < 0 ? near : near.slice(0, length))) return null;
  if (length < 0) return { kind: "math", end: text.length, more: { tex: near, closed: false } };
  const close = begin + length;
  const end = lineEnd(text, close + closing.length);
  if (!/^[ \t]*[.,;:。，；：]?[ \t]*$/.test(text.slice(close + closing.length, end))) return null;
  const tex = environment ? text.slice(start, close + closing.length).trim() : text.slice(begin, close);
  return { kind: "math", end: cut(text, end + 1), sure: end < text.length, more: { tex, closed: true } };
}

function single(text, start, line) {
  if (!HEADING.test(line) && !RULE.test(line)) return null;
  const end = lineEnd(text, start);
  return { end: cut(text, end + 1), sure: end < text.length };
}

/** The text of a footnote. */
function note(text, start, line) {
  const label = NOTE.exec(line);
  if (!label) return null;
  return { kind: "note", end: hanging(text, start, 4), more: { label: label[1] } };
}

function item(text, start, line) {
  const found = ITEM.exec(line);
  if (!found) return null;
  const [, indent, marker, number, space = " "] = found;
  const content = indent.length + marker.length + (space.length > 4 ? 1 : space.length);
  return { kind: "item", end: hanging(text, start, content), more: { start: number === undefined ? null : Number(number) } };
}

/** Where a block ends that holds all lines indented by so much, and the lines of a paragraph in it that are not. */
function hanging(text, start, indent) {
  let fence = null;
  // What is not indented goes on with a paragraph, if there is one.
  let lazy = isProse(lineAt(text, start));
  let end = cut(text, after(text, start));
  for (let at = end; at < text.length; at = after(text, at)) {
    const line = lineAt(text, at);
    if (isBlank(line)) {
      lazy = false;
      continue;
    }
    const inside = indentOf(line) >= indent;
    if (!inside && (!lazy || fence || interrupts(line) || ITEM.test(line) || NOTE.test(line))) break;
    if (inside) fence = fenceAfter(fence, line.trimStart());
    lazy = isProse(line);
    end = cut(text, after(text, at));
  }
  return end;
}

/** Whether a line, without the marks of quotes and items before it, belongs to a paragraph. */
function isProse(line) {
  const inner = line.replace(/^(?:[ \t]*(?:>|[-*+](?=[ \t]|$)|\d{1,9}[.)](?=[ \t]|$)))+/, "").trimStart();
  return Boolean(inner) && !FENCE.test(inner) && !HEADING.test(inner) && !RULE.test(inner);
}

/** The marks of the fence that is open behind a line. */
function fenceAfter(fence, line) {
  const found = FENCE.exec(line);
  if (!fence) return found?.[2] ?? null;
  return found && found[2][0] === fence[0] && found[2].length >= fence.length && !found[3] ? null : fence;
}

function quote(text, start, line) {
  if (!QUOTE.test(line)) return null;
  let at = after(text, start);
  let lazy = isProse(line);
  for (; at < text.length; at = after(text, at)) {
    const here = lineAt(text, at);
    if (isBlank(here)) return { end: at, sure: lineEnd(text, at) < text.length };
    if (!QUOTE.test(here) && (!lazy || interrupts(here) || ITEM.test(here))) break;
    lazy = isProse(here);
  }
  return { end: cut(text, at) };
}

function indented(text, start, line) {
  if (indentOf(line) < 4) return null;
  let end = after(text, start);
  for (let at = end; at < text.length; at = after(text, at)) {
    const here = lineAt(text, at);
    if (isBlank(here)) continue;
    if (indentOf(here) < 4) break;
    end = after(text, at);
  }
  return { end: cut(text, end) };
}

function table(text, start) {
  if (!isTable(text, start)) return null;
  const lines = [];
  let at = start;
  for (; at < text.length; at = after(text, at)) {
    const line = lineAt(text, at);
    if (isBlank(line) || (lines.length > 1 && (interrupts(line) || ITEM.test(line)))) break;
    lines.push(line);
  }
  return { kind: "table", end: cut(text, at), sure: at < text.length && lineEnd(text, at) < text.length, more: { lines } };
}

/** The line has cells, and the one below it has as many dashes. */
function isTable(text, start) {
  const line = lineAt(text, start);
  if (!line.includes("|")) return false;
  const below = after(text, start);
  if (below >= text.length) return false;
  const dashes = lineAt(text, below);
  return dashes.includes("-") && DASHES.test(dashes) && cells(line) === cells(dashes) && (dashes.includes("|") || dashes.includes(":"));
}

/** @param {string} line Of a table. */
export function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(^|[^\\])\|$/, "$1");
  return inner.replace(/\\[\\|]/g, "").split("|").length;
}

function paragraph(text, start) {
  let at = after(text, start);
  for (; at < text.length; at = after(text, at)) {
    const line = lineAt(text, at);
    if (isBlank(line)) return { end: at, sure: lineEnd(text, at) < text.length };
    if (UNDERLINE.test(line)) return { end: cut(text, after(text, at)), sure: lineEnd(text, at) < text.length };
    if (interrupts(line) || beginsList(line) || NOTE.test(line) || MATH.test(line) || isTable(text, at)) break;
  }
  return { end: cut(text, at) };
}

/** What ends a paragraph without a blank line before it, in whatever it stands. */
function interrupts(line) {
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line);
}

/** A number other than one does not begin a list in the middle of a paragraph, and an empty item does not either. */
function beginsList(line) {
  const found = ITEM.exec(line);
  return Boolean(found && found[4] && (found[3] === undefined || Number(found[3]) === 1));
}

// --- the end of a text that still grows ---------------------------------------------------------------------------------------------

/** Ends a formula that is not closed yet: it is shown as it is written until it is. */
export const PENDING = "\ue000";

const ONLY_MARKS = /(?:^|\n)[ \t>]*(?:[-=*+_#>`~|$\\]{1,6}|\d{1,9}[.)]?|[-*+][ \t]+(?:\[[ xX]?\]?)?)[ \t]*$/;
const OPEN_LINK = /!?\[([^[\]\n]*)(?:\]\([^()\n]*(?:\([^()\n]*)?)?$/;
/** A longer block is rather a mistake of the model than a text. */
const LONGEST_MENDED = 24_000;
/** The first line of a table, or that and half of its dashes. */
const TITLES = /^((?:[^]*\n)?)(\|[ \t](?=[^\n]*[^\s|:-])[^\n]*)(?:\n[ \t|:-]*)?$/;
const SPANS = /\\[^]|(`+)|(\*{1,3}|_{1,3}|~~)|(\$\$?)|[^]/g;

/**
 * The Markdown of the last block, with what is still open closed, so that it already looks as it will: half a `**bold` is bold, half a
 * `[link](http://…` is its text, a line that is only marks so far is not there yet.
 * @param {string} text
 * @returns {string}
 */
export function mend(text) {
  if (text.length > LONGEST_MENDED) return text;
  const titles = TITLES.exec(text);
  if (titles) return `${titles[1]}${titles[2]}\n${"|---".repeat(cells(titles[2]))}|`;
  let whole = text.replace(ONLY_MARKS, "");
  // Spans do not go over a blank line.
  const begin = Math.max(whole.lastIndexOf("\n\n"), lastBullet(whole));
  const head = whole.slice(0, begin);
  whole = openFormula(whole.slice(begin));
  if (whole.endsWith(`${PENDING}\\)`) || whole.endsWith(`${PENDING}\\]`)) return head + whole;
  return head + closeSpans(whole.replace(OPEN_LINK, "$1"));
}

function lastBullet(text) {
  const line = text.lastIndexOf("\n") + 1;
  const marker = /^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?/.exec(text.slice(line));
  return marker ? line + marker[0].length : 0;
}

/** `\(x^2` becomes a formula that waits for its end. */
function openFormula(text) {
  for (const [opening, closing] of [["\\(", "\\)"], ["\\[", "\\]"]]) {
    const at = text.lastIndexOf(opening);
    if (at >= 0 && text[at - 1] !== "\\" && !text.includes(closing, at)) return text.replace(/\\$/, "") + PENDING + closing;
  }
  return text;
}

/** Closes code, emphasis and dollar formulas that have begun; marks at the very end that have not are left out. */
function closeSpans(text) {
  const open = [];
  let shown = text;
  SPANS.lastIndex = 0;
  for (let found = SPANS.exec(text); found; found = SPANS.exec(text)) {
    const [sign, ticks, marks, dollars] = found;
    const before = text[found.index - 1] ?? " ";
    const behind = text[SPANS.lastIndex] ?? "";
    if (ticks) {
      const close = closingTicks(text, ticks, SPANS.lastIndex);
      if (close < 0) return behind ? shown + closers(open, ticks) : trimEnd(text, found.index, open);
      SPANS.lastIndex = close;
    } else if (dollars) {
      const close = text.indexOf(dollars, SPANS.lastIndex);
      if (close >= 0) SPANS.lastIndex = close + dollars.length;
      else if (!behind) return trimEnd(text, found.index, open);
      else if (dollars === "$$" || /^[A-Za-z\\{(|-][^\n]*[\\^_{=]/.test(text.slice(SPANS.lastIndex))) return shown + PENDING + dollars + closers(open);
    } else if (marks) {
      if (!behind && !open.includes(marks)) shown = text.slice(0, found.index);
      if (!emphasise(open, marks, before, behind) && !behind) break;
    } else if (sign === "\n" && !behind) break;
  }
  return (open.length ? shown.trimEnd() : shown) + closers(open);
}

const closers = (open, first = "") => first + [...open].reverse().join("");
const trimEnd = (text, end, open) => text.slice(0, end).trimEnd() + closers(open);

function closingTicks(text, ticks, from) {
  const run = /`+/g;
  run.lastIndex = from;
  for (let found = run.exec(text); found; found = run.exec(text)) if (found[0].length === ticks.length) return run.lastIndex;
  return -1;
}

/** Put the marks among the open ones, or take those away that they close. Returns whether they did either. */
function emphasise(open, marks, before, behind) {
  const place = open.lastIndexOf(marks);
  const word = /[\p{L}\p{N}]/u;
  if (place >= 0 && before.trim()) {
    open.length = place;
    return true;
  }
  if (!behind.trim() || (marks[0] === "_" && word.test(before))) return false;
  open.push(marks);
  return true;
}
