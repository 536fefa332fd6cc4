import { describe, expect, test } from "vitest";

import { EN } from "../../src/chat/words_markdown.js";
import { coloured } from "../../src/markdown/colours.js";
import { Model } from "../../src/markdown/model.js";
import * as prism from "../../src/markdown/prism.js";
import { made } from "./rich.js";
import { ENDLESS, VECTORS } from "./vectors.js";

const LOOKS = new Set(["", ..."b i s sub sup kbd code note place".split(" ").map((name) => `md-${name}`)]);
const ROW = new Set("kind rails gap quoted runs level language code formula cells".split(" "));
const RUN = new Set("text look tex display pending href image runs".split(" "));

/** What is in a model that a template could make something else of than text. */
function wrong(parts) {
  const found = [];
  const run = (one) => {
    for (const name of Object.keys(one)) if (!RUN.has(name)) found.push(`run ${name}`);
    if (typeof one.text !== "string") found.push("a run without text");
    for (const look of one.look.split(" ")) if (!LOOKS.has(look)) found.push(`look ${look}`);
    if (one.href !== undefined && !/^(?:https?:\/\/|mailto:)[\x21-\x7e]+$/.test(one.href)) found.push(`href ${one.href}`);
    one.runs?.forEach(run);
  };
  for (const row of parts.flatMap((part) => part.rows)) {
    for (const name of Object.keys(row)) if (!ROW.has(name)) found.push(`row ${name}`);
    if (row.level !== undefined && !(row.level >= 3 && row.level <= 6)) found.push(`level ${row.level}`);
    if (row.language !== undefined && !/^[\w+#.-]{0,30}$/.test(row.language)) found.push(`language ${row.language}`);
    row.runs?.forEach(run);
    if (row.formula) run(row.formula);
    for (const cell of row.cells?.flat() ?? []) {
      if (!["", "left", "right", "center"].includes(cell.align)) found.push(`align ${cell.align}`);
      cell.runs.forEach(run);
    }
  }
  return found;
}

function grown(text, step) {
  const model = new Model(EN);
  const found = [];
  for (let at = step; at < text.length; at += step) found.push(...wrong(model.update(text.slice(0, at), true)));
  return [...found, ...wrong(model.update(text, false))];
}

test("what a model may be made to say becomes text and links to follow, and nothing else", () => {
  expect(VECTORS.length).toBeGreaterThan(200);
  for (const vector of VECTORS) expect([...grown(vector, 3), ...grown(`before ${vector} after`, 5)], vector).toEqual([]);
  expect(grown(VECTORS.join("\n\n"), 997)).toEqual([]);
}, 120_000);

test("no link leads where only a script or this server is", () => {
  const hrefs = JSON.stringify(made(VECTORS.join("\n\n"))).match(/"href":"[^"]*"/g);
  expect(hrefs.length).toBeGreaterThan(10);
  for (const href of hrefs) expect(href).toMatch(/"href":"(?:https?:\/\/|mailto:)/);
});

describe("nothing takes long", () => {
  /** Generous: it is for what would take minutes. */
  const MOST_MS = 3_000;

  test.each(Object.keys(ENDLESS))("%s", (name) => {
    const text = ENDLESS[name];
    const model = new Model(EN);
    const began = performance.now();
    for (const share of [0.5, 0.9, 0.99]) model.update(text.slice(0, text.length * share), true);
    const parts = model.update(text, false);
    expect(performance.now() - began).toBeLessThan(MOST_MS);
    for (const { code, language } of parts.flatMap((part) => part.rows.filter((row) => row.kind === "code"))) {
      const from = performance.now();
      coloured(prism, language || "js", code);
      expect(performance.now() - from).toBeLessThan(MOST_MS);
    }
  }, 60_000);

  const SIGNS = ["/", "'", '"', "`", "<a ", "{", "(", "[", "/*", "<!--", "$", "#", "\\", "a=", "*", "=>", "class ", "@", "-", "\t"];
  const LANGUAGES = "js ts jsx tsx html css json python bash powershell c cpp csharp java kotlin scala go rust swift dart php ruby lua r matlab sql yaml toml ini docker makefile diff latex".split(" ");

  test.each(LANGUAGES)("code in %s, whatever it is made of", (language) => {
    let slowest = 0;
    for (const sign of SIGNS) {
      // Lines as long as are coloured, and many lines.
      for (const code of [(sign.repeat(400 / sign.length) + "\n").repeat(29), `${sign}\n`.repeat(12_000 / (sign.length + 1))]) {
        const began = performance.now();
        const runs = coloured(prism, language, code);
        slowest = Math.max(slowest, performance.now() - began);
        if (runs) expect(runs.map((run) => run.text).join("")).toBe(code);
      }
    }
    expect(slowest).toBeLessThan(MOST_MS);
  }, 120_000);
});
