/**
 * The Markdown of answers. Finished blocks are drawn once and never touched again; only the end of a growing text is.
 *
 * @module
 */

import { Blocks, mend, PENDING } from "./blocks.js";
import { make } from "./dom.js";
import { Code } from "./markdown/code.js";
import { Sheet } from "./markdown/elements.js";
import { formula } from "./markdown/formula.js";
import { grown } from "./markdown/grown.js";
import { later, never } from "./markdown/later.js";
import { lex } from "./markdown/lex.js";

/** So much is drawn at a time; the rest of a long answer that is opened follows when the page has done what else it has to do. */
const SLICE_CHARS = 4_000;
/** What a block costs besides its text. */
const BLOCK_CHARS = 40;
const MENDED = new Set(["text", "item", "note"]);

/** One answer. When more of it is drawn than `update` did at once, an event `drawn` goes up from its element. */
export class Markdown {
  /** @param {HTMLElement} root Holds nothing else. @param {{words: any}} options */
  constructor(root, { words }) {
    this.root = root;
    this.words = words;
    this.blocks = new Blocks();
    /** One per block. @type {View[]} */
    this.views = [];
    /** @type {import("./lexer.js").Links} What `[label]: address` said. */
    this.links = Object.create(null);
    /** How many views are known to show what their blocks say for good, and how many were asked for addresses. */
    this.settled = this.learned = 0;
    this.text = "";
    this.live = null;
    this.drawn = false;
    root.classList.add("markdown");
  }

  /**
   * Show the text. One that does not grow, and is not near what is seen, stays as it is written until it comes near.
   * @param {string} text All of it so far.
   * @param {boolean} live Whether it grows.
   */
  update(text, live) {
    if (text === this.text && live === this.live) return;
    this.text = text;
    this.live = live;
    if (live || this.drawn) return this.#draw();
    this.root.textContent = text;
    this.root.classList.add("undrawn");
    later(this.root, () => this.#drawLater());
  }

  #drawLater() {
    this.#draw();
    this.root.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
  }

  #draw() {
    clearTimeout(this.timer);
    if (!this.drawn) this.#begin();
    const list = this.blocks.update(this.text, this.live);
    const sheet = new Sheet(this.words);
    let at = Math.min(this.#same(list), this.views.length);
    if (at < list.length && this.views[at]?.grow(list[at], this.#source(at), sheet)) at += 1;
    for (const view of this.views.splice(at)) view.remove();
    let room = SLICE_CHARS;
    for (; at < list.length && room > 0; at += 1) {
      room -= list[at].text.length + BLOCK_CHARS;
      this.#add(list[at], this.#source(at), sheet);
    }
    sheet.finish();
    this.#learn();
    if (this.live) this.#markEnd();
    if (at < list.length) this.timer = setTimeout(() => this.#drawLater());
  }

  /** What is drawn of a block: its Markdown, and at the end of a growing text with what is open closed. */
  #source(at) {
    const { list } = this.blocks;
    const { kind, text } = list[at];
    return this.live && at === list.length - 1 && MENDED.has(kind) ? mend(text) : text;
  }

  /** Where the text grows: the caret stands there. */
  #markEnd() {
    const end = lastOf(this.root);
    if (end !== this.end) this.end?.classList.remove("md-end");
    end.classList.add("md-end");
    this.end = end;
  }

  #begin() {
    never(this.root);
    this.drawn = true;
    this.root.classList.remove("undrawn");
    this.root.replaceChildren();
  }

  /** How many of the views show what their blocks say. */
  #same(list) {
    let at = this.began === this.blocks.began ? Math.min(this.settled, list.length) : 0;
    this.began = this.blocks.began;
    while (at < list.length && this.views[at]?.shows(list[at], this.#source(at))) at += 1;
    this.settled = Math.min(this.blocks.done, at);
    return at;
  }

  #add(block, source, sheet) {
    const kinds = { code: CodeView, math: MathView, item: ItemView, table: TableView, note: NoteView };
    const view = new (kinds[block.kind] ?? TextView)(this, block, this.views.at(-1));
    this.views.push(view);
    view.draw(block, source, sheet);
  }

  /** Addresses that were said further down than where they are used. */
  #learn() {
    const finished = this.views.slice(this.learned, this.blocks.done);
    this.learned = Math.min(this.views.length, this.blocks.done);
    const fresh = finished.flatMap((view) => Object.entries(view.links ?? {})).filter(([label]) => !Object.hasOwn(this.links, label));
    if (!fresh.length) return;
    Object.assign(this.links, Object.fromEntries(fresh.reverse()));
    const sheet = new Sheet(this.words);
    for (const view of this.views) if (fresh.some(([label]) => view.source.toLowerCase().includes(`[${label}]`))) view.draw(view.block, view.source, sheet);
    sheet.finish();
  }
}

const HOLDERS = new Set("UL OL LI BLOCKQUOTE P H3 H4 H5 H6 DIV PRE CODE TABLE TBODY THEAD TR TD TH SECTION".split(" "));

/** The innermost of the elements that lines stand in, at the end. */
function lastOf(element) {
  const last = element.lastChild;
  const inside = last instanceof HTMLElement && HOLDERS.has(last.tagName) && !(last.tagName === "CODE" && element.tagName !== "PRE");
  return inside ? lastOf(last) : element;
}

class View {
  /** @param {Markdown} owner @param {import("./blocks.js").Block} block @param {View|undefined} before */
  constructor(owner, block, before) {
    this.owner = owner;
    this.block = block;
    this.before = before;
    this.source = "";
    /** @type {Node[]} */
    this.nodes = [];
  }

  shows(block, source) {
    return this.block.kind === block.kind && this.source === source && this.block.follows === block.follows && this.state === this.stateOf(block);
  }

  /** What changes the look besides the source. */
  stateOf() {
    return undefined;
  }

  /** Show a block that has become more, where that can be done in place. */
  grow(block, source, sheet) {
    if (block.kind !== this.block.kind || block.follows !== this.block.follows) return false;
    this.draw(block, source, sheet);
    return true;
  }

  draw(block, source, sheet) {
    this.block = block;
    this.source = source;
    this.state = this.stateOf(block);
    this.render(block, source, sheet);
  }

  /** The tokens of a Markdown; what it says about addresses is kept. */
  lex(source) {
    this.links = Object.assign(Object.create(null), this.owner.links);
    return lex(source, this.links);
  }

  put(nodes) {
    if (nodes.length === 1 && this.nodes.length === 1 && grown(this.nodes[0], nodes[0])) return;
    const next = this.nodes.at(-1)?.nextSibling ?? null;
    const parent = this.nodes[0]?.parentNode ?? this.owner.root;
    for (const node of this.nodes) node.remove();
    for (const node of nodes) parent.insertBefore(node, next);
    this.nodes = nodes;
  }

  remove() {
    for (const node of this.nodes) node.remove();
  }
}

class TextView extends View {
  render(block, source, sheet) {
    sheet.add(this.lex(source), (nodes) => this.put(nodes));
  }
}

class CodeView extends View {
  stateOf(block) {
    return block.open;
  }

  render(block, source, sheet) {
    this.code ??= new Code(this.owner.words);
    this.code.update(block.lang, block.code, !block.open);
    if (!this.nodes.length) sheet.then(() => this.put([this.code.root]));
  }
}

class MathView extends View {
  stateOf(block) {
    return block.closed;
  }

  render(block, source, sheet) {
    sheet.then(() => this.put([formula(block.closed ? block.tex : block.tex + PENDING, true)]));
  }
}

/** An item at the left margin; the first of a list makes the list. */
class ItemView extends View {
  render(block, source, sheet) {
    sheet.add(this.lex(source), (nodes) => this.#place(block, nodes.find((node) => node instanceof HTMLElement && node.matches("ul, ol"))));
  }

  #place(block, made) {
    const item = made?.firstElementChild ?? make("li");
    if (!this.list) this.#begin(block);
    if (!this.item || !grown(this.item, item)) {
      if (this.item) this.item.replaceWith(item);
      else this.list.append(item);
      this.item = item;
    }
    this.nodes = block.follows ? [this.item] : [this.list];
    this.list.hidden = !made;
  }

  #begin(block) {
    if (block.follows) this.list = this.before.list;
    else {
      this.list = make(block.start === null ? "ul" : "ol");
      if (block.start !== null && block.start !== 1) this.list.setAttribute("start", String(block.start));
      this.put([this.list]);
    }
  }
}

/** So many rows are read together. */
const ROWS = 50;

/** A table, row by row: what stands in a finished line is not drawn again. */
class TableView extends View {
  render(block, source, sheet) {
    const [head, dashes, ...lines] = block.lines;
    const opening = `${head}\n${dashes}\n`;
    if (this.opening !== opening) this.#begin(opening, sheet);
    for (const { element } of this.rows.splice(lines.length)) element?.remove();
    let from = this.rows.findIndex(({ line }, place) => line !== lines[place]);
    if (from < 0) from = this.rows.length;
    for (; from < lines.length; from += ROWS) this.#draw(lines.slice(from, from + ROWS), from, sheet);
  }

  #begin(opening, sheet) {
    this.opening = opening;
    /** @type {{line: string, element?: Element}[]} */
    this.rows = [];
    sheet.add(this.lex(opening), (nodes) => {
      this.put(nodes);
      this.body = nodes[0]?.querySelector?.("tbody");
    });
  }

  #draw(lines, from, sheet) {
    const rows = lines.map((line, place) => ({ line, element: this.rows[from + place]?.element }));
    this.rows.splice(from, rows.length, ...rows);
    sheet.add(this.lex(this.opening + lines.join("\n")), ([box]) => {
      const made = [...(box?.querySelectorAll?.("tbody tr") ?? [])];
      rows.forEach((row, place) => {
        const element = made[place];
        if (!element || !this.body) return;
        if (row.element) row.element.replaceWith(element);
        else this.body.append(element);
        row.element = element;
      });
    });
  }
}

class NoteView extends View {
  render(block, source, sheet) {
    const text = source.slice(source.indexOf("]:") + 2).replace(/^[ \t]+/, "").replace(/\n {1,4}/g, "\n");
    const label = make("sup", { className: "md-note" }, block.label);
    sheet.add(this.lex(text), (nodes) => this.put([make("section", { className: "md-note-text" }, label, ...nodes)]));
  }
}
