import katex from "katex";
import { expect, test } from "vitest";

import { isDrawn, treeOf } from "../../src/chat/formulas.js";
import { richNodes } from "../../src/markdown/rich_nodes.js";
import { VECTORS } from "./vectors.js";

const nodesOf = (tex, display = false) => {
  const tree = treeOf(katex, tex, display, "html");
  return tree && richNodes([tree]);
};
const all = (nodes) => nodes.flatMap((node) => [node, ...all(node.children ?? [])]);
const text = (nodes) => all(nodes).filter(({ type }) => type === "text").map((node) => node.text).join("");

test("signs with their classes and measures", () => {
  const nodes = nodesOf("x^2");
  expect(nodes[0]).toMatchObject({ name: "span", attrs: { class: "katex" } });
  expect(text(nodes)).toBe("x2");
  expect(all(nodes).find((node) => node.attrs?.class === "mord mathnormal")).toBeTruthy();
  expect(all(nodes).some((node) => /^top:-?[\d.]+em;/.test(node.attrs?.style))).toBe(true);
});

test("drawings are masks over the colour of the text, as wide and high as KaTeX wants", () => {
  const root = all(nodesOf("\\sqrt{x}")).find((node) => node.attrs?.class === "md-drawing");
  expect(root.attrs.style).toMatch(/mask:url\(data:image\/svg\+xml,[^()'"]*\) left top\/400em [\d.]+em no-repeat;$/);
  const [, source] = /url\(data:image\/svg\+xml,([^)]*)\)/.exec(root.attrs.style);
  expect(decodeURIComponent(source)).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="400em" height="[\d.]+em" viewBox="0 0 400000 \d+" preserveAspectRatio="xMinYMin slice"><path d='M/);
  const arrow = all(nodesOf("\\vec{v}")).find((node) => node.attrs?.class === "md-drawing");
  expect(arrow.attrs.style).toMatch(/^width:0.471em;height:0.714em;/);
  expect(all(nodesOf("\\overbrace{x+y}")).filter((node) => node.attrs?.class === "md-drawing")).toHaveLength(3);
  const line = all(nodesOf("\\cancel{x}")).find((node) => node.attrs?.class === "md-drawing");
  expect(line.attrs.style).toContain(encodeURIComponent(' stroke="black"><line '));
});

test("matrices, cases, text and Chinese", () => {
  expect(text(nodesOf("\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}", true)).replace(/\u200b/g, "")).toBe("(acbd)");
  expect(text(nodesOf("f(x) = \\begin{cases} 1 & x > 0 \\\\ 0 & \\text{否则} \\end{cases}", true))).toContain("否则");
  expect(nodesOf("\\frac{1}{")).toBeNull();
});

test("too much is not even tried", () => {
  expect(isDrawn("")).toBe(false);
  expect(isDrawn("x".repeat(3_001))).toBe(false);
  expect(isDrawn("&".repeat(300))).toBe(false);
  expect(isDrawn("x^2")).toBe(true);
});

test("nothing that a formula may be made of becomes anything but spans with measures", () => {
  const formulas = VECTORS.flatMap((vector) => [vector, ...(/^(?:\$\$?|\\\(|\\\[)([^]*?)(?:\$\$?|\\\)|\\\])/.exec(vector)?.slice(1) ?? [])]);
  let drawn = 0;
  for (const tex of formulas) {
    const nodes = nodesOf(tex);
    if (!nodes) continue;
    drawn += 1;
    for (const node of all(nodes)) {
      if (node.type === "text") continue;
      expect(node.name).toBe("span");
      expect(Object.keys(node.attrs).filter((name) => name !== "class" && name !== "style")).toEqual([]);
      expect(node.attrs.class ?? "").toMatch(/^[\w -]*$/);
      expect((node.attrs.style ?? "").replace(/(?:-webkit-)?mask:url\(data:image\/svg\+xml,[^()'"\s]*\)[^;]*;/g, "")).not.toMatch(/url|expression|fixed|sticky|image|[()<>"']/i);
    }
  }
  expect(drawn).toBeGreaterThan(20);
}, 60_000);
