/**
 * What a browser copies of answers: formulas as they were written and not the letters of their picture, items with their marks before them.
 *
 * @module
 */

let begun = false;
/** Of an item's mark in the lines below it. Plain spaces at the beginning of a line would be left out. */
const ROOM = "\u00a0\u00a0\u00a0";

/** May be called often. */
export function beginCopying() {
  // #ifdef H5
  if (!begun) document.addEventListener("copy", copied);
  begun = true;
  // #endif
}

// #ifdef H5
function copied(event) {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed || event.target.closest?.("input, textarea")) return;
  const range = selection.getRangeAt(0);
  const around = range.commonAncestorContainer;
  const element = around instanceof Element ? around : around.parentElement;
  const inside = element?.closest(".md-formula");
  if (!element?.closest(".markdown") && ![...(element?.querySelectorAll(".markdown") ?? [])].some((one) => range.intersectsNode(one))) return;
  if (inside) range.selectNode(inside);
  event.clipboardData.setData("text/plain", plain(range.cloneContents()));
  event.preventDefault();
}

/** As it reads; only what is laid out has lines. */
function plain(contents) {
  const box = document.createElement("div");
  box.className = "unseen";
  box.append(contents);
  for (const formula of box.querySelectorAll(".md-formula[data-tex]")) {
    const marks = formula.classList.contains("md-display") ? "$$" : "$";
    formula.replaceChildren(`${marks}${formula.dataset.tex}${marks}`);
  }
  for (const row of box.querySelectorAll(".md-row")) {
    const rails = [...row.querySelectorAll(":scope > .md-rail")];
    row.querySelector(".md-line, .md-pre")?.prepend(rails.map(markOf).join(""));
    for (const rail of rails) rail.remove();
  }
  for (const row of box.querySelectorAll(".md-tr")) for (const cell of [...row.children].slice(0, -1)) cell.querySelector(".md-line")?.append("\t");
  for (const cell of box.querySelectorAll(".md-cell .md-line")) cell.replaceWith(...cell.childNodes);
  for (const bar of box.querySelectorAll(".md-top")) bar.remove();
  document.body.append(box);
  const text = box.innerText;
  box.remove();
  return text.replace(/\t\t/g, "\t").replace(/\u00a0/g, " ").trim();
}

function markOf(rail) {
  if (rail.classList.contains("md-quote")) return "> ";
  if (rail.querySelector(".md-task")) return rail.querySelector(".md-done") ? "[x] " : "[ ] ";
  const mark = rail.textContent.trim();
  return mark ? `${mark} ` : ROOM;
}
// #endif
