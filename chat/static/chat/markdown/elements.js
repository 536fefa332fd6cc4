/**
 * Tokens to elements, node by node: no text of the model is ever read as HTML.
 *
 * Code and formulas are drawn by their own modules: a slot is left for each, and filled after the rest has been sanitised.
 *
 * @module
 */

import { make } from "../dom.js";
import { address, realPlace } from "../links.js";
import { Code } from "./code.js";
import { formula } from "./formula.js";
import { sanitise } from "./purify.js";

/** Deeper than this, text stands without further structure. */
const DEEPEST = 40;
/** The tags that may be written in HTML, without attributes: what Markdown has no marks for, and models write in tables and formulas. */
const TAG = /^<(\/?)(sub|sup|kbd|u|s|b|i|strong|em|mark|br)\s*\/?>$/i;
const AS = { u: "em", s: "del", b: "strong", i: "em", mark: "strong" };

/** What is drawn at one time: sanitised together, because each look at a tree slows the page down until its memory is tidied. */
export class Sheet {
  /** @param {any} words */
  constructor(words) {
    this.maker = new Maker(words);
    this.root = make("div");
    /** @type {(() => void)[]} */
    this.calls = [];
  }

  /**
   * @param {any[]} tokens marked's
   * @param {(nodes: Node[]) => void} use What to do with the elements, once all of the sheet may be shown.
   */
  add(tokens, use) {
    const holder = make("div", {}, ...this.maker.blocks(tokens, 0));
    this.root.append(holder);
    this.calls.push(() => use([...holder.childNodes]));
  }

  /** Do something in its turn. @param {() => void} call */
  then(call) {
    this.calls.push(call);
  }

  finish() {
    if (this.root.firstChild) sanitise(this.root);
    for (const [slot, element] of this.maker.slots) slot.replaceWith(element);
    for (const call of this.calls) call();
  }
}

class Maker {
  constructor(words) {
    this.words = words;
    /** @type {[HTMLElement, HTMLElement][]} */
    this.slots = [];
  }

  slot(element) {
    const slot = make("span", { className: "md-slot" });
    this.slots.push([slot, element]);
    return slot;
  }

  blocks(tokens, depth) {
    return tokens.flatMap((token) => this.block(token, depth));
  }

  block(token, depth) {
    if (depth > DEEPEST) return [token.raw ?? ""];
    switch (token.type) {
      case "space":
      case "def":
        return [];
      case "plain":
        return [make("p", { className: "md-plain" }, token.raw)];
      case "heading":
        // The page has the first two levels for itself.
        return [make(`h${Math.min(6, token.depth + 2)}`, {}, ...this.inlines(token.tokens, depth))];
      case "hr":
        return [make("hr")];
      case "blockquote":
        return [make("blockquote", {}, ...this.blocks(token.tokens, depth + 1))];
      case "list":
        return [this.list(token, depth)];
      case "code":
        return [this.slot(this.code(token))];
      case "table":
        return [this.table(token, depth)];
      case "formula":
        return [this.slot(formula(token.tex, token.display))];
      case "paragraph":
        return [make("p", {}, ...this.inlines(token.tokens, depth))];
      case "text":
        return token.tokens ? this.inlines(token.tokens, depth) : [decoded(token.text)];
      case "checkbox":
        return [this.checkbox(token)];
      default:
        return [make("p", {}, token.raw)];
    }
  }

  code(token) {
    const code = new Code(this.words);
    code.update(/^[\w+#.-]{0,30}/.exec(token.lang ?? "")[0], token.text, true);
    return code.root;
  }

  list(token, depth) {
    const list = make(token.ordered ? "ol" : "ul", {}, ...token.items.map((item) => this.item(item, depth)));
    if (token.ordered && token.start !== 1) list.setAttribute("start", token.start);
    return list;
  }

  item(token, depth) {
    return make("li", token.task ? { className: "md-task" } : {}, ...this.blocks(token.tokens, depth + 1));
  }

  checkbox(token) {
    const box = make("input", { type: "checkbox", disabled: true, "aria-label": token.checked ? this.words.taskDone : this.words.taskOpen });
    box.toggleAttribute("checked", Boolean(token.checked));
    return box;
  }

  table(token, depth) {
    const row = (cells) => make("tr", {}, ...cells.map((cell) => this.cell(cell, depth)));
    const table = make("table", {}, make("thead", {}, row(token.header)), make("tbody", {}, ...token.rows.map(row)));
    return make("div", { className: "md-table", tabIndex: 0, role: "group", "aria-label": this.words.table }, table);
  }

  cell(token, depth) {
    const cell = make(token.header ? "th" : "td", {}, ...this.inlines(token.tokens, depth));
    if (token.align) cell.setAttribute("data-align", token.align);
    return cell;
  }

  // --- inside a line ---

  inlines(tokens, depth) {
    const nodes = [];
    for (let at = 0; at < tokens.length; at += 1) {
      const token = tokens[at];
      const tag = token.type === "html" ? TAG.exec(token.raw) : null;
      const end = tag && !tag[1] && tag[2].toLowerCase() !== "br" ? closing(tokens, at, tag[2].toLowerCase()) : -1;
      if (tag?.[2].toLowerCase() === "br") nodes.push(make("br"));
      else if (end > 0) {
        const name = tag[2].toLowerCase();
        nodes.push(make(AS[name] ?? name, {}, ...this.inlines(tokens.slice(at + 1, end), depth + 1)));
        at = end;
      } else nodes.push(...this.inline(token, depth + 1));
    }
    return nodes;
  }

  inline(token, depth) {
    if (depth > DEEPEST) return [token.raw];
    switch (token.type) {
      case "escape":
        return [token.text];
      case "text":
        return token.tokens ? this.inlines(token.tokens, depth) : [decoded(token.text)];
      case "strong":
      case "em":
      case "del":
        return [make(token.type, {}, ...this.inlines(token.tokens, depth))];
      case "codespan":
        return [make("code", {}, token.text)];
      case "br":
        return [make("br")];
      case "link":
        return this.link(token, depth);
      case "image":
        return this.image(token);
      case "formula":
        return [this.slot(formula(token.tex, token.display))];
      case "footnote":
        return [make("sup", { className: "md-note" }, token.label)];
      case "checkbox":
        return [this.checkbox(token)];
      default:
        return [token.raw];
    }
  }

  link(token, depth) {
    const children = this.inlines(token.tokens, depth);
    return this.leading(decoded(token.href), children, {}) ?? [...children, ` (${token.href})`];
  }

  /** Nothing is loaded from outside: a picture is a link to it. */
  image(token) {
    const name = decoded(token.text) || this.words.picture;
    return this.leading(decoded(token.href), [name], { className: "md-image" }) ?? [`[${this.words.picture}: ${name}]`];
  }

  /** A link, and where it leads if its text says something else; nothing where it may not be followed. */
  leading(href, children, more) {
    const url = address(href);
    if (!url) return null;
    const link = make("a", { ...more, target: "_blank", rel: "noopener noreferrer nofollow", title: url.href }, ...children);
    link.setAttribute("href", url.href);
    const place = realPlace(link.textContent, url);
    return place ? [link, make("small", { className: "md-place" }, ` (${place})`)] : [link];
  }
}

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

const REFERENCE = /&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});/gi;
/** @type {Map<string, string>} */
const decodedBefore = new Map();

/** Text with `&amp;` and the like as the signs they stand for. Only the references themselves are read as HTML, in a document of their own. */
export function decoded(text) {
  return text.includes("&") ? text.replace(REFERENCE, sign) : text;
}

function sign(reference) {
  if (!decodedBefore.has(reference)) {
    if (decodedBefore.size > 3_000) decodedBefore.clear();
    decodedBefore.set(reference, new DOMParser().parseFromString(reference, "text/html").documentElement.textContent);
  }
  return decodedBefore.get(reference);
}
