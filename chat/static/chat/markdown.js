/**
 * The Markdown of answers. Finished blocks are drawn once and never touched again; only the end of a growing text is.
 *
 * @module
 */

import { Blocks, mend } from "./blocks.js";
import { make } from "./dom.js";
import { Code } from "./markdown/code.js";
import { elements } from "./markdown/elements.js";
import { formula } from "./markdown/formula.js";
import { later, never } from "./markdown/later.js";
import { lex } from "./markdown/lexer.js";

/** One answer. */
export class Markdown {
  /** @param {HTMLElement} root Holds nothing else. @param {{words: any}} options */
  constructor(root, { words }) {
    this.root = root;
    this.words = words;
    this.blocks = new Blocks();
    /** One per block. @type {View[]} */
    this.views = [];
    /** @type {import("./markdown/lexer.js").Links} What `[label]: address` said. */
    this.links = {};
    this.text = "";
    this.drawn = false;
    root.classList.add("markdown");
  }

  /**
   * Show the text. One that does not grow, and is not near what is seen, stays as it is written until it comes near.
   * @param {string} text All of it so far.
   * @param {boolean} live Whether it grows.
   */
  update(text, live) {
    this.text = text;
    if (live || this.drawn) return this.#draw(live);
    this.root.textContent = text;
    this.root.classList.add("undrawn");
    later(this.root, () => this.#draw(false));
  }

  #draw(live) {
    if (!this.drawn) this.#begin();
    const list = this.blocks.update(this.text, live);
    let at = Math.min(this.#same(list, live), this.views.length);
    if (at < list.length && this.views[at]?.grow(list[at], sourceOf(list, at, live))) at += 1;
    for (const view of this.views.splice(at)) view.remove();
    for (; at < list.length; at += 1) this.#add(list[at], sourceOf(list, at, live));
    this.#learn();
  }

  #begin() {
    never(this.root);
    this.drawn = true;
    this.root.classList.remove("undrawn");
    this.root.replaceChildren();
  }

  /** How many of the views show what their blocks say. */
  #same(list, live) {
    let at = Math.min(this.settled ?? 0, list.length);
    while (at < list.length && this.views[at]?.shows(list[at], sourceOf(list, at, live))) at += 1;
    this.settled = Math.min(this.blocks.done, at);
    return at;
  }

  #add(block, source) {
    const kinds = { code: CodeView, math: MathView, item: ItemView, table: TableView, note: NoteView };
    const view = new (kinds[block.kind] ?? TextView)(this, block, this.views.at(-1));
    this.views.push(view);
    view.draw(block, source);
  }

  /** Addresses that were said further down than where they are used. */
  #learn() {
    const finished = this.views.slice(this.learned ?? 0, this.blocks.done);
    this.learned = Math.max(this.learned ?? 0, this.blocks.done);
    const fresh = finished.flatMap((view) => Object.entries(view.links ?? {})).filter(([label]) => !Object.hasOwn(this.links, label));
    if (!fresh.length) return;
    Object.assign(this.links, Object.fromEntries(fresh.reverse()));
    for (const view of this.views) if (fresh.some(([label]) => view.source.toLowerCase().includes(`[${label}]`))) view.draw(view.block, view.source);
  }
}

/** What is drawn of a block: its Markdown, and at the end of a growing text with what is open closed. */
function sourceOf(list, at, live) {
  const block = list[at];
  return live && at === list.length - 1 && (block.kind === "text" || block.kind === "item" || block.kind === "note") ? mend(block.text) : block.text;
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
  grow(block, source) {
    if (block.kind !== this.block.kind || block.follows !== this.block.follows) return false;
    this.draw(block, source);
    return true;
  }

  draw(block, source) {
    this.block = block;
    this.source = source;
    this.state = this.stateOf(block);
    this.render(block, source);
  }

  /** The nodes of a Markdown; what it says about addresses is kept. */
  made(source) {
    this.links = { ...this.owner.links };
    return elements(lex(source, this.links), this.owner.words);
  }

  put(nodes) {
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
  render(block, source) {
    this.put(this.made(source));
  }
}

class CodeView extends View {
  stateOf(block) {
    return block.open;
  }

  render(block) {
    if (!this.code) {
      this.code = new Code(this.owner.words);
      this.put([this.code.root]);
    }
    this.code.update(block.lang, block.code, !block.open);
  }
}

class MathView extends View {
  stateOf(block) {
    return block.closed;
  }

  render(block) {
    this.put([formula(block.closed ? block.tex : `${block.tex}\ue000`, true)]);
  }
}

/** An item at the left margin; the first of a list makes the list. */
class ItemView extends View {
  render(block, source) {
    const [made] = this.made(source).filter((node) => node instanceof HTMLElement && node.matches("ul, ol"));
    const item = made?.firstElementChild ?? make("li");
    if (!this.list) this.#begin(block, made);
    if (this.item) this.item.replaceWith(item);
    else this.list.append(item);
    this.item = item;
    this.nodes = block.follows ? [item] : [this.list];
    this.list.hidden = !made;
  }

  #begin(block, made) {
    if (block.follows) this.list = this.before.list;
    else {
      this.list = make(block.start === null ? "ul" : "ol");
      if (block.start !== null && block.start !== 1) this.list.setAttribute("start", String(block.start));
      this.put([this.list]);
    }
  }
}

/** A table, row by row: what stands in a finished line is not drawn again. */
class TableView extends View {
  render(block) {
    const [head, dashes, ...rows] = block.lines;
    const opening = `${head}\n${dashes}\n`;
    if (this.opening !== opening) {
      this.put(this.made(opening));
      this.opening = opening;
      this.rows = [];
      this.body = this.nodes[0].querySelector?.("tbody");
    }
    if (!this.body) return;
    rows.forEach((row, place) => this.#row(row, place));
    while (this.rows.length > rows.length) this.rows.pop().element.remove();
  }

  #row(line, place) {
    if (this.rows[place]?.line === line) return;
    const [box] = this.made(`${this.opening}${line}`);
    const element = box.querySelector?.("tbody tr") ?? make("tr");
    if (this.rows[place]) this.rows[place].element.replaceWith(element);
    else this.body.append(element);
    this.rows[place] = { line, element };
  }
}

class NoteView extends View {
  render(block, source) {
    const label = make("sup", { className: "md-note" }, block.label);
    const text = source.slice(source.indexOf("]:") + 2).replace(/^[ \t]+/, "");
    this.put([make("section", { className: "md-note-text" }, label, ...this.made(text.replace(/\n {1,4}/g, "\n")))]);
  }
}
