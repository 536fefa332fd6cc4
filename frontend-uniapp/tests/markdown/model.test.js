import { describe, expect, test } from "vitest";

import { EN } from "../../src/chat/words_markdown.js";
import { Model, reuse } from "../../src/markdown/model.js";
import { made, RICH, rows, short } from "./rich.js";

/** A row in short: what is to its left, its kind, its text. */
function line(row) {
  const rails = row.rails.map(({ kind, text, done }) => ({ quote: ">", step: "-", mark: done === null ? `(${text})` : done ? "[x]" : "[ ]" })[kind]).join("");
  const text = row.code ?? (row.formula ? `{${row.formula.tex}}` : row.cells ? row.cells.map((cells) => cells.map((cell) => cell.align + short(cell.runs)).join(" , ")).join(" / ") : short(row.runs ?? []));
  return [rails, row.kind + (row.level ?? ""), text].filter(Boolean).join(" ");
}
const lines = (text, live = false) => rows(text, live).map(line);

test("everything that an answer may have", () => {
  expect(lines(RICH)).toEqual([
    "heading3 Binary search, in short",
    "text It finds a value in a |b:sorted| list in |{O(\\log n)}| steps; see |<Wikipedia→https://en.wikipedia.org/wiki/Binary_search>|.\n价格从 $5 涨到了 $10，函数|{f(x)=x^2}|。",
    "(1.) text Look at the middle: |code:mid = (lo + hi) // 2|.",
    "(2.) text Compare:",
    "-(◦) text equal: done;",
    "-(◦) text smaller: go right.",
    "- code def search(items):\n    return -1  # not found",
    "(3.) text Repeat.",
    "[x] text sorted",
    "[ ] text unique",
    "> text At most",
    "> math {\\lfloor \\log_2 n \\rfloor + 1}",
    "> text steps.",
    "table left方法 , rightWorst , Third / leftLinear , right{n} , a / leftb:Binary , right{\\log_2 n} , code:a",
    "math {\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}}",
    "code export const sum = (xs) => xs.reduce((a, b) => a + b, 0);",
    "text See |<the manual→https://example.com/manual>|. H|sub:2|O, |kbd:Ctrl|. A note.|sup+note:1| Bad: |{\\frac{1}{}|.",
    "(1) text The note's text.",
  ]);
});

describe("lists and quotes", () => {
  const CASES = {
    "- a\n  - b\n    - c\n      - d": ["(•) text a", "-(◦) text b", "--(▪) text c", "---(▪) text d"],
    "- - a": ["(•)(◦) text a"],
    "- a\n\n  b\n\n  > c": ["(•) text a", "- text b", "-> text c"],
    "1. a\n1. b\n1. c": ["(1.) text a", "(2.) text b", "(3.) text c"],
    "7. a\n9. b": ["(7.) text a", "(8.) text b"],
    "0) a": ["(0.) text a"],
    "- ": ["(•) text"],
    "- ```js\n  x\n  ```\n  y": ["(•) code x", "- text y"],
    "> a\n> > b\n> - c": ["> text a", ">> text b", ">(•) text c"],
    "- [ ] a\n\n  b\n- [x] c": ["[ ] text a", "- text b", "[x] text c"],
  };
  test.each(Object.keys(CASES))("%j", (text) => expect(lines(text)).toEqual(CASES[text]));
});

const HALVES = {
  "Some **bo": ["text Some |b:bo"],
  "Some `co": ["text Some |code:co"],
  "See [the manual](https://exam": ["text See the manual"],
  "| Name | Val": ["table Name , Val"],
  "| Name | Value |\n|--": ["table Name , Value"],
  "| Name | Value |\n|---|---|\n| a": ["table Name , Value / a , "],
  "```py\nx = 1\n``": ["code x = 1"],
  "$$\nx^2 + ": ["math {x^2 +}"],
  "So $x^2": ["text So |{x^2…}"],
  "So \\(x^2": ["text So |{x^2…}"],
  "- one\n- **tw": ["(•) text one", "(•) text b:tw"],
  "a\n\n-": ["text a"],
};
test.each(Object.keys(HALVES))("%j, half there, looks as it will", (text) => expect(lines(text, true)).toEqual(HALVES[text]));

test.each([1, 7, 100])("however it comes, it ends as the whole does: %i at a time", (step) => {
  const model = new Model(EN);
  for (let at = step; at < RICH.length; at += step) model.update(RICH.slice(0, at), true);
  expect(model.update(RICH, false)).toEqual(made(RICH));
});

const PIECES = ["# Head", "plain **words**", "- item", "  - nested `x`", "1. one", "2. two", "   deep", "", "", "```py", "```", "> quote", "> - q", "---", "| a | b |", "|---|---|", "| 1 | $x$ |", "- [x] task", "$$", "x^2", "[^1]: note", "[a]: http://b.c", "[a] and [^1]", "==="];

test("so does any other text; what is finished stays the same objects all the way", () => {
  let seed = 11;
  const below = (most) => (seed = (seed * 48271) % 2147483647) % most;
  for (let count = 0; count < 200; count += 1) {
    const text = Array.from({ length: 1 + below(9) }, () => PIECES[below(PIECES.length)]).join("\n");
    const model = new Model(EN);
    let before = [];
    let done = 0;
    for (let at = 0; at < text.length; ) {
      at = Math.min(text.length, at + 1 + below(6));
      const parts = model.update(text.slice(0, at), true);
      // An address that is said later changes what was finished.
      if (!/^\[a\]:/m.test(text)) for (let place = 0; place < done; place += 1) expect(parts[place], JSON.stringify([text, at])).toBe(before[place]);
      before = parts;
      done = model.blocks.done - 1; // the last one may still wait for its look of a finished one
    }
    expect(model.update(text, false), JSON.stringify(text)).toEqual(made(text));
  }
}, 60_000);

test("the rows of a block that grows stay the same objects, but for the last", () => {
  const model = new Model(EN);
  const start = "> one **two**\n>\n> - three\n> - four";
  const [before] = model.update(start, true);
  const [after] = model.update(`${start} and`, true);
  expect(after.rows.length).toBe(3);
  expect([0, 1, 2].map((place) => after.rows[place] === before.rows[place])).toEqual([true, true, false]);
  const table = "| a | b |\n|---|---|\n| 1 | 2 |\n";
  const [few] = model.update(table, true);
  const [more] = model.update(`${table}| 3 | `, true);
  expect(more.rows[0].cells[0]).toBe(few.rows[0].cells[0]);
  expect(more.rows[0].cells[1]).toBe(few.rows[0].cells[1]);
});

test("an answer may become another one", () => {
  const model = new Model(EN);
  for (const text of ["# One\n\nlong [x]\n\n- a\n- b\n\n[x]: http://a.b", "Other", "Other\n\n- c [x]"]) model.update(text, true);
  expect(model.update("Other\n\n- c [x]\n- d", false).flatMap((part) => part.rows.map(line))).toEqual(["text Other", "(•) text c [x]", "(•) text d"]);
});

test("addresses that are said below their use", () => {
  const model = new Model(EN);
  const text = "See [the manual][m] and [other].\n\n| [m] |\n|:--|\n| [m] |\n\nText.\n\n[m]: https://example.com/manual\n\nMore text";
  for (let end = 5; end < text.length; end += 5) model.update(text.slice(0, end), true);
  const found = model.update(text, false).flatMap((part) => part.rows.map(line));
  expect(found).toEqual(["text See |<the manual→https://example.com/manual>| and [other].", "table left<m→https://example.com/manual> / left<m→https://example.com/manual>", "text Text.", "text More text"]);
});

test("the room between blocks", () => {
  const gaps = (text) => made(text).map((part) => part.gap);
  expect(gaps("# a\nb\n\nc\n- d\n- e\n\n1. f\n\n---\n\n## g")).toEqual([0, 8, 12, 12, 4, 12, 20, 20]);
  expect(gaps("a\n\n[x]: http://y.z\n\nb")).toEqual([0, 0, 12]);
});

test("what is new is made of the old wherever both are the same", () => {
  const old = { a: [{ b: 1 }, { c: 2 }], d: "x" };
  expect(reuse(old, { a: [{ b: 1 }, { c: 2 }], d: "x" })).toBe(old);
  const fresh = reuse(old, { a: [{ b: 1 }, { c: 3 }], d: "x" });
  expect(fresh).toEqual({ a: [{ b: 1 }, { c: 3 }], d: "x" });
  expect(fresh.a[0]).toBe(old.a[0]);
  expect(reuse(old, { a: old.a })).toEqual({ a: old.a });
  expect(reuse([1, 2], [1])).toEqual([1]);
});
