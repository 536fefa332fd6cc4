/**
 * Formulas. KaTeX with its fonts comes only when the first formula does; until then, and where KaTeX cannot read it, a formula is shown as
 * it is written.
 *
 * @module
 */

import { PENDING } from "../blocks.js";
import { make } from "../dom.js";
import { isDrawn, remembering, treeOf } from "../formulas.js";
import { sanitiseFormula } from "./purify.js";

/** How long formulas that have waited may keep the page from anything else at a time. */
const SLICE_MS = 8;

let katex = null;
let coming = null;
/** Formulas that wait for KaTeX. @type {Set<HTMLElement>} */
const waiting = new Set();
/** Of each formula on the page, what was written. @type {WeakMap<Element, {tex: string, display: boolean}>} */
const sources = new WeakMap();

/** @param {string} tex @param {boolean} display @returns {HTMLElement} */
export function formula(tex, display) {
  const source = tex.replace(PENDING, "").trim();
  const root = make("span", { className: display ? "md-formula md-display" : "md-formula" });
  sources.set(root, { tex: source, display });
  showSource(root, source);
  if (tex.includes(PENDING) || !isDrawn(source)) return root;
  if (katex) draw(root);
  else {
    root.classList.add("md-waiting");
    waiting.add(root);
    load();
  }
  return root;
}

function showSource(root, source) {
  root.classList.add("md-source");
  root.textContent = source;
}

function load() {
  coming ??= loadAll().then(
    () => {
      drawWaiting();
    },
    () => {
      coming = null; // the connection is away: the next formula tries again
    },
  );
}

function drawWaiting() {
  const until = performance.now() + SLICE_MS;
  for (const root of waiting) {
    waiting.delete(root);
    if (!root.isConnected) continue;
    draw(root);
    root.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
    if (performance.now() > until) return setTimeout(drawWaiting);
  }
}

async function loadAll() {
  const style = make("link", { rel: "stylesheet", href: new URL("../vendor/katex/katex.min.css", import.meta.url).href });
  const styled = new Promise((resolve, reject) => {
    style.onload = resolve;
    style.onerror = reject;
  });
  document.head.append(style);
  const [module] = await Promise.all([import("../vendor/katex/katex.mjs"), styled]);
  katex = module.default;
}

function draw(root) {
  root.classList.remove("md-waiting");
  const { tex, display } = sources.get(root);
  const drawn = made(tex, display);
  if (!drawn) return;
  root.classList.remove("md-source");
  root.replaceChildren(drawn.cloneNode(true));
  if (display) root.tabIndex = 0;
}

/** The formula as nodes, or null where KaTeX cannot read it. */
const made = remembering((tex, display) => {
  const tree = treeOf(katex, tex, display, "htmlAndMathml");
  return tree && sanitiseFormula(make("span", {}, tree.toNode())).firstChild;
});

/** A copied formula is what was written, and not the letters of its picture. */
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed || event.target.closest?.("input, textarea")) return;
  const range = selection.getRangeAt(0);
  const around = range.commonAncestorContainer;
  const element = around instanceof Element ? around : around.parentElement;
  const inside = element?.closest(".md-formula");
  if (!inside && !element?.querySelector(".md-formula")) return;
  if (inside) range.selectNode(inside);
  const copied = make("div", {}, range.cloneContents());
  const shown = [...(inside ?? element).querySelectorAll(".md-formula")].filter((one) => range.intersectsNode(one));
  const all = inside ? [inside] : shown;
  copied.querySelectorAll(".md-formula").forEach((clone, place) => {
    const source = sources.get(all[place]);
    if (source) clone.replaceChildren(source.display ? `$$${source.tex}$$` : `$${source.tex}$`);
  });
  for (const bar of copied.querySelectorAll(".md-top")) bar.remove();
  copied.className = "unseen";
  document.body.append(copied); // only what is laid out has lines
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.preventDefault();
});
