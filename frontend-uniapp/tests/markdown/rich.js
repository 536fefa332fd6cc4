/** An answer that has everything, and what is made of answers, in short. */

import { EN } from "../../src/chat/words_markdown.js";
import { Model } from "../../src/markdown/model.js";

export const RICH = String.raw`# Binary search, in short

It finds a value in a **sorted** list in $O(\log n)$ steps; see [Wikipedia](https://en.wikipedia.org/wiki/Binary_search).
价格从 $5 涨到了 $10，函数$f(x)=x^2$。

1. Look at the middle: ${"`mid = (lo + hi) // 2`"}.
2. Compare:
   - equal: done;
   - smaller: go right.

   ${"```"}python
   def search(items):
       return -1  # not found
   ${"```"}
3. Repeat.

- [x] sorted
- [ ] unique

> At most
> $$\lfloor \log_2 n \rfloor + 1$$
> steps.

| 方法 | Worst | Third |
|:-----|------:|------|
| Linear | $n$ | a |
| **Binary** | $\log_2 n$ | ${"`a`"} |

$$
\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}
$$

${"```"}js
export const sum = (xs) => xs.reduce((a, b) => a + b, 0);
${"```"}

See [the manual][m]. H<sub>2</sub>O, <kbd>Ctrl</kbd>. A note.[^1] Bad: $\frac{1}{$.

[^1]: The note's text.

[m]: https://example.com/manual
`;

export const made = (text, live = false) => new Model(EN).update(text, live);

/** The rows of all parts. */
export const rows = (text, live = false) => made(text, live).flatMap((part) => part.rows);

const shown = (run) => {
  const text = run.runs ? run.runs.map(shown).join("") : run.text;
  const look = run.look.replace(/md-/g, "").replace(/ /g, "+");
  if (run.tex !== undefined) return `{${run.tex}${run.pending ? "…" : ""}}`;
  return `${look && `${look}:`}${run.href ? `<${text}→${run.href}>` : text}`;
};

/** Runs as one short text: `b:bold`, `{x^2}` a formula, `<text→address>` a link; pieces stand apart by `|`. */
export const short = (runs) => runs.map(shown).join("|");
