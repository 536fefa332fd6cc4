import { expect, test } from "vitest";

import { chunks } from "../../src/markdown/chunks.js";
import { coloured, isColoured } from "../../src/markdown/colours.js";
import * as prism from "../../src/markdown/prism.js";

const SAMPLES = {
  python: ["def area(r):\n    return 3.14 * r  # text\n", "keyword:def", "title:area", "number:3.14", "comment:# text"],
  js: ["export const a = `x ${b + 1}`; // y", "keyword:export", "string:`x ", "number:1", "comment:// y"],
  typescript: ["interface Abc { b: string }", "keyword:interface", "type:Abc"],
  html: ['<div class="a">Hi</div><!-- c -->', "keyword:div", "attribute:class", "string:a", "comment:<!-- c -->"],
  css: [".a { color: #fff }", "title:.a", "attribute:color"],
  sql: ["SELECT 'x' FROM t", "keyword:SELECT", "string:'x'"],
  json: ['{"a": 1, "b": null}', 'attribute:"a"', "number:1", "keyword:null"],
  yaml: ["a: true # c", "attribute:a", "keyword:true", "comment:# c"],
  bash: ["if [ -f x ]; then echo \"$HOME\"; fi", "keyword:if", "type:echo"],
  rust: ["fn main() { let x: u8 = 1; }", "keyword:fn", "title:main"],
  "c++": ["int main() { return 0; }", "keyword:int", "number:0"],
  php: ["<?php echo $a; // b", "keyword:echo", "attribute:$a"],
  diff: ["-old\n+new\n", "deletion:-old", "string:+new"],
  latex: ["\\frac{a}{b} % c", "title:\\frac", "comment:% c"],
};

test.each(Object.keys(SAMPLES))("%s", (language) => {
  const [code, ...expected] = SAMPLES[language];
  const runs = coloured(prism, language, code);
  expect(runs.map((run) => run.text).join("")).toBe(code);
  const found = runs.map(({ text, look }) => `${look.replace("md-c-", "")}:${text}`);
  for (const one of expected) expect(found.some((run) => run.startsWith(one)), `${one} in ${found.join(" | ")}`).toBe(true);
});

test("what is not known, too long, or in too long lines, has no colours", () => {
  for (const language of ["", "klingon", "__proto__", "constructor", "extend", "insertBefore", "DFS"]) expect(coloured(prism, language, "if (x) y")).toBeNull();
  expect(isColoured("js", "x\n".repeat(6_000))).toBe(true);
  expect(isColoured("js", "x\n".repeat(6_001))).toBe(false);
  expect(isColoured("js", "x".repeat(401))).toBe(false);
});

test("a text in pieces: all of it, and only the last one changes", () => {
  const text = Array.from({ length: 100 }, (_, n) => `line ${n}`).join("\n");
  const before = chunks(text.slice(0, 500));
  const after = chunks(text);
  expect(after.map((piece) => piece.text).join("")).toBe(text);
  expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  expect(chunks("")).toEqual([{ text: "", look: "" }]);
});
