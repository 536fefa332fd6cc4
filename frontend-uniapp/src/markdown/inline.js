/**
 * What stands in a line, as a list of runs: plain data, without tags and without nesting (but for a link, which holds the runs of its text).
 *
 * @module
 */

import { PENDING } from "../chat/blocks.js";
import { address, realPlace } from "../chat/links.js";
import { decoded } from "./entities.js";

/**
 * @typedef {object} Run
 * @property {string} text As it is shown; of a formula, as it was written.
 * @property {string} look Class names, or nothing: `md-b md-i`.
 * @property {string} [tex] A formula. @property {boolean} [display] Of a formula: it stands by itself. @property {boolean} [pending] Of a formula: it is not closed yet.
 * @property {string} [href] A link. @property {boolean} [image] It leads to a picture. @property {Run[]} [runs] The text of a link.
 */

/** Deeper than this, text stands without further structure. */
const DEEPEST = 40;
/** The tags that may be written in HTML, without attributes: what Markdown has no marks for, and models write in tables and formulas. */
const TAG = /^<(\/?)(sub|sup|kbd|u|s|b|i|strong|em|mark|br)\s*\/?>$/i;
const LOOKS = { sub: "sub", sup: "sup", kbd: "kbd", u: "i", s: "s", b: "b", i: "i", strong: "b", em: "i", mark: "b", del: "s" };

/** @param {any[]} tokens marked's @param {{picture: string}} words @param {string} [look] @returns {Run[]} */
export function runsOf(tokens, words, look = "") {
  const line = new Line(words);
  line.all(tokens, look, 0);
  return line.runs;
}

/** Text by itself. @param {string} text @returns {Run[]} */
export const plainRuns = (text, look = "") => (text ? [{ text, look }] : []);

/** A formula. @param {string} tex @param {boolean} display @returns {Run} */
export function formulaRun(tex, display) {
  const text = tex.replace(PENDING, "").trim();
  return { text, look: "", tex: text, display, pending: tex.includes(PENDING) };
}

const textOf = (runs) => runs.map((run) => run.text).join("");

class Line {
  constructor(words) {
    this.words = words;
    /** @type {Run[]} */
    this.runs = [];
  }

  /** Pieces of text that look the same are one. */
  text(text, look) {
    const last = this.runs[this.runs.length - 1];
    if (!text) return;
    if (last && last.look === look && last.tex === undefined && last.href === undefined) last.text += text;
    else this.runs.push({ text, look });
  }

  all(tokens, look, depth) {
    for (let at = 0; at < tokens.length; at += 1) {
      const token = tokens[at];
      const tag = token.type === "html" ? TAG.exec(token.raw) : null;
      const name = tag?.[2].toLowerCase();
      const end = tag && !tag[1] && name !== "br" ? closing(tokens, at, name) : -1;
      if (name === "br") this.text("\n", look);
      else if (end > 0) {
        this.all(tokens.slice(at + 1, end), dressed(look, LOOKS[name]), depth + 1);
        at = end;
      } else this.one(token, look, depth + 1);
    }
  }

  one(token, look, depth) {
    if (depth > DEEPEST) return this.text(token.raw, look);
    switch (token.type) {
      case "escape":
        return this.text(token.text, look);
      case "text":
        return token.tokens ? this.all(token.tokens, look, depth) : this.text(decoded(token.text), look);
      case "strong":
        return this.all(token.tokens, dressed(look, "b"), depth);
      case "em":
        return this.all(token.tokens, dressed(look, "i"), depth);
      case "del":
        return this.all(token.tokens, dressed(look, "s"), depth);
      case "codespan":
        return this.text(token.text, dressed(look, "code"));
      case "br":
        return this.text("\n", look);
      case "link":
        return this.link(token, look, depth);
      case "image":
        return this.image(token, look);
      case "formula":
        return this.runs.push(formulaRun(token.tex, token.display));
      case "footnote":
        return this.text(token.label, dressed(dressed(look, "sup"), "note"));
      case "checkbox":
        return undefined; // stands before the line
      default:
        return this.text(token.raw, look);
    }
  }

  link(token, look, depth) {
    const inner = new Line(this.words);
    inner.all(token.tokens, look, depth);
    const runs = inner.runs.flatMap((run) => run.runs ?? [run]); // marked knows no links in links, but pictures in them
    if (this.leading(decoded(token.href), runs, {})) return;
    this.runs.push(...inner.runs);
    this.text(` (${token.href})`, look);
  }

  /** Nothing is loaded from outside: a picture is a link to it. */
  image(token, look) {
    const name = decoded(token.text) || this.words.picture;
    if (!this.leading(decoded(token.href), plainRuns(name, look), { image: true })) this.text(`[${this.words.picture}: ${name}]`, look);
  }

  /** A link, and where it leads if its text says something else; not where it may not be followed. */
  leading(href, runs, more) {
    const url = address(href);
    if (!url) return false;
    const text = textOf(runs);
    this.runs.push({ text, look: "", href: url.href, runs, ...more });
    const place = realPlace(text, url);
    if (place) this.text(` (${place})`, "md-place");
    return true;
  }
}

const dressed = (look, more) => (look.split(" ").includes(`md-${more}`) ? look : `${look} md-${more}`.trim());

/** Where the tag that begins at a place is closed. */
function closing(tokens, from, name) {
  let depth = 0;
  for (let at = from; at < tokens.length; at += 1) {
    const tag = tokens[at].type === "html" ? TAG.exec(tokens[at].raw) : null;
    if (tag?.[2].toLowerCase() !== name) continue;
    depth += tag[1] ? -1 : 1;
    if (!depth) return at;
  }
  return -1;
}
