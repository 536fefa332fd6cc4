import assert from "node:assert/strict";
import { test } from "node:test";

import { Lexer, Marked } from "../../chat/static/chat/vendor/marked/marked.esm.js";
import { Blocks, cells, mend, PENDING } from "../../frontend-uniapp/src/chat/blocks.js";
import { makeLex } from "../../frontend-uniapp/src/chat/lexer.js";
import { forAll } from "./fakes.mjs";

const lex = makeLex({ Lexer, Marked });
const whole = (text) => new Blocks().update(text, false);
const kinds = (text) => whole(text).map((block) => block.kind);
const texts = (text) => whole(text).map((block) => block.text);

/** Lines that meet in every order. */
const LINES = [
  "# Head", "plain words", "more words **b**", "- item", "- item two", "  indented text", "  - nested", "* star", "1. one", "2. two", "10) ten", "   deep", "", "", "",
  "```", "```py", "~~~", "    code", "> quote", "> - q item", ">", "---", "***", "| a | b |", "|---|---|", "| 1 | 2 |", "- [ ] task", "\ttab", "text | pipe", "   - three",
  "      six", "- ", "1.", "+ plus", "`x`", "a longer line, so that it is certain",
];
const OURS = ["$$", "$$ x $$", "\\[", "\\]", "x^2", "[^1]: note", "[a]: http://b", "\\begin{align}", "\\end{align}", "$$ x $$ tail", "a $$", "==="];
const documentOf = (random, lines) => Array.from({ length: random.int(1, 9) }, () => random.pick(lines)).join("\n");

test("however a text comes, it ends as the blocks of the whole; what is finished never changes", () => {
  forAll(4000, (random) => {
    const text = documentOf(random, [...LINES, ...OURS]);
    const blocks = new Blocks();
    const finished = [];
    const most = random.pick([1, 3, 20]);
    for (let at = 0; at < text.length; ) {
      at = Math.min(text.length, at + random.int(1, most));
      const list = blocks.update(text.slice(0, at), true);
      finished.forEach(({ block, json }, place) => {
        assert.equal(list[place], block);
        assert.equal(JSON.stringify(block), json, `changed by ${JSON.stringify(text.slice(0, at))}`);
      });
      for (const block of list.slice(finished.length, blocks.done)) finished.push({ block, json: JSON.stringify(block) });
    }
    const closed = (list) => list.map((block) => ({ ...block, open: false }));
    assert.deepEqual(closed(blocks.update(text, false)), closed(whole(text)), JSON.stringify(text));
  });
});

test("nothing of a text is lost, and nothing comes twice", () => {
  forAll(2000, (random) => {
    const text = documentOf(random, [...LINES, ...OURS]);
    assert.equal(texts(text).join("").replace(/\s/g, ""), text.replace(/\s/g, ""));
  });
});

test("a text that is another one begins anew", () => {
  const blocks = new Blocks();
  blocks.update("one\n\ntwo\n\nthree", true);
  assert.deepEqual(blocks.update("other", true).map((block) => block.text), ["other"]);
  assert.deepEqual(blocks.update("other\n\nmore", false).map((block) => block.text), ["other", "more"]);
  assert.deepEqual(blocks.update("other\n\nmore and **on", true).map((block) => block.text), ["other", "more and **on"]);
});

/** What a parser makes of a text, without the shape that depends on the blocks being parsed together. */
const plain = (tokens) => tokens.filter(({ type }) => type !== "space" && type !== "def" && type !== "checkbox").map(one);
const shallow = (tokens) => tokens.flatMap((token) => (token.type === "list" ? token.items.map((item) => ["item", token.ordered, plain(item.tokens)]) : plain([token])));

function one(token) {
  if (token.type === "list") return ["list", token.ordered, token.items.map((item) => plain(item.tokens))];
  if (token.type === "blockquote") return ["quote", plain(token.tokens)];
  if (token.type === "table") return ["table", token.rows.length];
  if (token.type === "code") return ["code", token.text.trimEnd()];
  return [token.type === "text" ? "paragraph" : token.type, (token.text ?? "").trim().replace(/^\[ \] /, "")];
}

test("block by block, the parser reads what it reads in the whole", () => {
  let compared = 0;
  let different = 0;
  forAll(4000, (random) => {
    const text = documentOf(random, LINES);
    const together = JSON.stringify(shallow(lex(text, {})));
    const apart = JSON.stringify(whole(text).flatMap((block) => shallow(lex(block.text, {}))));
    compared += 1;
    different += Number(together !== apart);
  });
  // They differ where a line could be a table's or a paragraph's and CommonMark does not say.
  assert.ok(different <= compared * 0.003, `${different} of ${compared}`);
});

test("kinds", () => {
  assert.deepEqual(kinds("# a\nb\n- c\n- d\n```\ne\n```\n| f |\n|---|\n\n$$\ng\n$$\n[^1]: h"), ["text", "text", "item", "item", "code", "table", "math", "note"]);
  assert.deepEqual(kinds("a\n$$x$$\nb"), ["text", "math", "text"]);
  assert.deepEqual(kinds("$$x$$ and more"), ["text"]);
  assert.deepEqual(kinds("$$x\n\ny$$"), ["text", "text"]);
  assert.deepEqual(kinds("<script>\n\nalert(1)</script>"), ["text", "text"]);
  assert.deepEqual(kinds("a | b\nc"), ["text"]);
});

test("an item holds what is indented below it, and a list goes on behind a blank line", () => {
  const list = whole("1. one\n\n   ```py\n   x\n\n   y\n   ```\n2. two\n\n3. three\n- other");
  assert.deepEqual(list.map(({ text, follows, start }) => [text, follows, start]), [
    ["1. one\n\n   ```py\n   x\n\n   y\n   ```", false, 1],
    ["2. two", true, 2],
    ["3. three", true, 3],
    ["- other", false, null],
  ]);
});

test("code that is still written shows no half of its closing fence", () => {
  const blocks = new Blocks();
  const code = (text) => blocks.update(text, true)[0].code;
  assert.equal(code("```py\nx = 1\n``"), "x = 1");
  assert.equal(code("```py\nx = 1\n``` `"), "x = 1\n``` `");
  assert.equal(new Blocks().update("````md\n```\ninner\n```\n````", false)[0].code, "```\ninner\n```");
  assert.equal(new Blocks().update("```python title=x\na", false)[0].lang, "python");
});

test("cells are counted as GitHub does", () => {
  assert.equal(cells("| a | b |"), 2);
  assert.equal(cells("a | b"), 2);
  assert.equal(cells("| a \\| b |"), 1);
});

test("a long text costs what its end costs", () => {
  const text = "A paragraph of some words.\n\n".repeat(40_000);
  const blocks = new Blocks();
  blocks.update(text, true);
  const began = performance.now();
  for (let count = 0; count < 50; count += 1) blocks.update(`${text}${"word ".repeat(count)}`, true);
  const grown = performance.now() - began;
  const anew = performance.now();
  whole(text);
  assert.ok(grown / 50 < (performance.now() - anew) / 2, "growing it is cheaper than reading it again");
});

const MENDED = {
  "a **b": "a **b**",
  "a **": "a ",
  "a **b*": "a **b**",
  "a **b**": "a **b**",
  "a *b": "a *b*",
  "a ***b": "a ***b***",
  "a ~~b": "a ~~b~~",
  "a _b": "a _b_",
  snake_ca: "snake_ca",
  "2 * 3": "2 * 3",
  "a `co": "a `co`",
  "a `": "a",
  "a **b `c": "a **b `c`**",
  "a [li": "a li",
  "a [li](http://x": "a li",
  "a [li](http://x)": "a [li](http://x)",
  "![al": "al",
  "x\n-": "x",
  "x\n2.": "x",
  "x\n##": "x",
  "- ": "",
  "- a\n  - **b": "- a\n  - **b**",
  "* item *it": "* item *it*",
  "a $5 and": "a $5 and",
  "a $x^2": `a $x^2${PENDING}$`,
  "\\(x": `\\(x${PENDING}\\)`,
  "a `$x` and": "a `$x` and",
  "a\n\n**b": "a\n\n**b**",
  "**a\n\nb": "**a\n\nb",
  "| Name | Val": "| Name | Val\n|---|---|",
  "so:\n| Name | Value |\n|--": "so:\n| Name | Value |\n|---|---|",
};

for (const [text, mended] of Object.entries(MENDED)) {
  test(`the end of ${JSON.stringify(text)}`, () => assert.equal(mend(text), mended));
}

test("mending ends, whatever it gets, and leaves a finished paragraph alone", () => {
  forAll(2000, (random) => {
    const text = Array.from({ length: random.int(0, 30) }, () => random.pick(["*", "**", "_", "`", "``", "$", "$$", "[", "](", ")", "\\", "\\(", "\\[", " ", "\n", "a", "word", "~~", "!"])).join("");
    assert.ok(mend(text).length <= 2 * text.length + 10);
  });
  for (const text of ["Two **bold** words.", "`code` and $x$ and [a](http://b).", "snake_case and 5 * 6.", "- item\n- [x] done"]) assert.equal(mend(text), text);
});

test("a finished text that is shown again has the same blocks; one that goes on after all begins anew", () => {
  const blocks = new Blocks();
  const text = "# one\n\ntwo\n\n- three";
  const first = [...blocks.update(text, true)];
  const finished = [...blocks.update(text, false)];
  assert.equal(finished.length, first.length);
  for (let again = 0; again < 3; again += 1) assert.deepEqual(blocks.update(text, false), finished);
  assert.deepEqual(blocks.update(`${text} four\n\nfive`, true).map((block) => block.text), ["# one", "two", "- three four", "five"]);
});
