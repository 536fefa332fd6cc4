/**
 * Formulas as they are drawn on this platform, once KaTeX is there.
 *
 * @module
 */

import { shallowRef } from "vue";

import { bringKatex, packedKatex } from "../platform/katex.js";
import { isDrawn, remembering, treeOf } from "../chat/formulas.js";
import { richNodes } from "./rich_nodes.js";

/** Nothing until it has come. @type {import("vue").ShallowRef<any>} */
export const katex = shallowRef(packedKatex());
/** @type {Promise<any>|null} */
let coming = null;

export function load() {
  coming ??= bringKatex().then(
    (module) => (katex.value = module),
    () => (coming = null), // the connection is away: the next formula tries again
  );
}

/** For a browser: the formula as an element, to be cloned, or null where it cannot be read. */
export const elementOf = remembering((tex, display) => {
  const tree = isDrawn(tex) ? treeOf(katex.value, tex, display, "htmlAndMathml") : null;
  return tree && tree.toNode();
});

/** Elsewhere: the nodes of `rich-text`. */
export const nodesOf = remembering((tex, display) => {
  const tree = isDrawn(tex) ? treeOf(katex.value, tex, display, "html") : null;
  return tree && richNodes([tree]);
});
