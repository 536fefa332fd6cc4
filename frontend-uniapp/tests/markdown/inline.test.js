import { expect, test } from "vitest";

import { decoded } from "../../src/markdown/entities.js";
import { rows, short } from "./rich.js";

const LINES = {
  "a **b *c* d** e": "a |b:b |b+i:c|b: d| e",
  "~~gone~~ and ***both***": "s:gone| and |i+b:both",
  "`a < b` &amp; &copy; &#x41;": "code:a < b| & © A",
  "`&amp;`": "code:&amp;",
  "one  \ntwo\nthree<br>four": "one\ntwo\nthree\nfour",
  "x<sub>i<sup>2</sup></sub> <u>under</u> <mark>m</mark>": "x|sub:i|sub+sup:2| |i:under| |b:m",
  "<sub>open": "<sub>open",
  "<b onclick=x>y</b>": "<b onclick=x>y</b>",
  "<script>x</script>": "<script>x</script>",
  "[**bold** text](https://a.b)": "<b:bold text→https://a.b/>",
  "[$x$ in it](https://a.b)": "<{x} in it→https://a.b/>",
  "[google.com](https://evil.example)": "<google.com→https://evil.example/>|place: (evil.example)",
  "[a](javascript:alert(1))": "a (javascript:alert(1))",
  "[a](/admin/)": "a (/admin/)",
  "![a cat](https://a.b/cat.png)": "<a cat→https://a.b/cat.png>",
  "![](https://a.b/cat.png)": "<Picture→https://a.b/cat.png>",
  "![a cat](data:image/png;base64,AA)": "[Picture: a cat]",
  "[![x](http://a.b/p.png)](javascript:alert(1))": "<x→http://a.b/p.png>| (javascript:alert(1))",
  "https://a.b and a@b.c": "<https://a.b→https://a.b/>| and |<a@b.c→mailto:a@b.c>",
  "$5 and $10, $x$": "$5 and $10, |{x}",
  "a \\(x\\) b": "a |{x}| b",
  "\\*not\\*": "*not*",
  "$$x$$ in a line": "{x}| in a line",
};

test.each(Object.keys(LINES))("%j", (text) => expect(short(rows(text)[0].runs)).toBe(LINES[text]));

test("deep nesting ends", () => {
  const [row] = rows(`${"<b><i>".repeat(60)}x${"</i></b>".repeat(60)}`);
  expect(row.runs.map((run) => run.text).join("")).toContain("x");
});

test("references", () => {
  expect(decoded("&lt;&alpha;&Omega;&nbsp;&hellip;&yuml;&thinsp;")).toBe("<αΩ\u00a0…ÿ\u2009");
  expect(decoded("&nothing; &amp &#0; &#xd800; &#x110000; &#128512;")).toBe("&nothing; &amp \ufffd \ufffd \ufffd 😀");
});
