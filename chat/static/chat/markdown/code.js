/**
 * A block of code: what language it is in, a button that copies it, and its text, which only grows while it is written.
 *
 * @module
 */

import { copy, growText, make } from "../dom.js";
import { languageName } from "../language_names.js";
import { colour, isColoured, known } from "./highlight.js";

const COPIED_MS = 1_500;

export class Code {
  /** @param {any} words */
  constructor(words) {
    this.words = words;
    this.label = make("span", { className: "md-language" });
    this.button = make("button", { type: "button", className: "text-button md-copy", onclick: () => this.#copy() }, words.copyCode);
    this.text = make("code");
    this.box = make("pre", { tabIndex: 0 }, this.text);
    this.root = make("div", { className: "md-code" }, make("div", { className: "md-top" }, this.label, this.button), this.box);
    this.language = null;
    this.code = "";
    this.asked = "";
  }

  /** @param {string} language @param {string} code @param {boolean} finished */
  update(language, code, finished) {
    if (language !== this.language) this.#name(language);
    if (code !== this.code) {
      if (this.code && code.startsWith(this.code) && this.text.lastChild?.nodeType === Node.TEXT_NODE) this.text.lastChild.appendData(code.slice(this.code.length));
      else {
        this.text.replaceChildren();
        growText(this.text, code);
      }
      this.code = code;
    }
    if (finished && this.asked !== code) this.#colour();
  }

  #name(language) {
    this.language = language;
    const shown = languageName(language);
    this.label.textContent = shown;
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", this.words.codeIn(shown));
  }

  async #copy() {
    await copy(this.code);
    this.button.textContent = this.words.codeCopied;
    const said = document.getElementById("said");
    if (said) said.textContent = this.words.codeCopied;
    setTimeout(() => (this.button.textContent = this.words.copyCode), COPIED_MS);
  }

  #colour() {
    const { language, code } = this;
    this.asked = code;
    const runs = known(language, code);
    if (runs) return this.#paint(runs);
    if (runs === null || !isColoured(language, code)) return;
    this.root.classList.add("md-waiting");
    colour(language, code, (found) => {
      if (this.code !== code) return;
      this.root.classList.remove("md-waiting");
      if (found) this.#paint(found);
    });
  }

  /** The same text in pieces; a selection in it stays. */
  #paint(runs) {
    const selected = selectionIn(this.text);
    const pieces = [];
    let at = 0;
    for (const [length, kind] of runs) {
      const text = this.code.slice(at, at + length);
      pieces.push(kind && kind !== "plain" ? make("span", { className: `c-${kind}` }, text) : text);
      at += length;
    }
    if (at !== this.code.length) return;
    this.text.replaceChildren(...pieces);
    selected?.restore();
  }
}

/** Where a selection begins and ends in an element, counted in characters. */
function selectionIn(element) {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed || !selection.containsNode(element, true)) return null;
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  const anchor = offsetIn(element, anchorNode, anchorOffset);
  const focus = offsetIn(element, focusNode, focusOffset);
  return {
    restore() {
      const from = anchor === null ? [anchorNode, anchorOffset] : placeIn(element, anchor);
      const to = focus === null ? [focusNode, focusOffset] : placeIn(element, focus);
      selection.setBaseAndExtent(...from, ...to);
    },
  };
}

function offsetIn(element, node, offset) {
  if (!element.contains(node)) return null;
  const range = document.createRange();
  range.setStart(element, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

function placeIn(element, offset) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (left <= node.length) return [node, left];
    left -= node.length;
  }
  return [element, element.childNodes.length];
}
