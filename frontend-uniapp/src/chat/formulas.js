/**
 * What KaTeX may be given, and what it is told: its input comes from a model.
 *
 * @module
 */

const LONGEST = 3_000;
/** Cells of a matrix, of which each takes a while. */
const MOST_CELLS = 300;
const OPTIONS = { throwOnError: true, strict: "ignore", trust: false, maxExpand: 500, maxSize: 20 };

/** Whether it is a formula that is worth a try. @param {string} tex */
export const isDrawn = (tex) => Boolean(tex) && tex.length <= LONGEST && tex.split("&").length <= MOST_CELLS;

/**
 * KaTeX's own tree of a formula, or null where it cannot read it.
 * @param {any} katex @param {string} tex @param {boolean} display @param {"html"|"htmlAndMathml"} output
 */
export function treeOf(katex, tex, display, output) {
  try {
    const tree = katex.__renderToDomTree(tex, { ...OPTIONS, output, displayMode: display });
    obey(tree);
    return tree;
  } catch {
    return null; // the source stays
  }
}

const WIDTH = /^width:([\d.]+em)$/;

/**
 * KaTeX sets styles through the CSSOM, which the page's policy allows, but for a few that it writes as attributes: the width of an arrow over a
 * letter is set as the others are, and those of MathML go.
 */
function obey(node) {
  const style = node.attributes?.style;
  const [, width] = WIDTH.exec(style) ?? [];
  if (style) delete node.attributes.style;
  if (width) {
    const { toNode } = node;
    node.ownWidth = width;
    node.toNode = () => {
      const element = toNode.call(node);
      element.style.width = width;
      return element;
    };
  }
  for (const child of node.children ?? []) obey(child);
}

const MOST_KEPT = 300;

/**
 * Remembers what was made of formulas: a paragraph that grows is drawn anew each time.
 * @template T
 * @param {(tex: string, display: boolean) => T} make
 * @returns {(tex: string, display: boolean) => T}
 */
export function remembering(make) {
  /** @type {Map<string, T>} */
  const kept = new Map();
  return (tex, display) => {
    const key = `${display}${tex}`;
    if (!kept.has(key)) {
      if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value);
      kept.set(key, make(tex, display));
    }
    return kept.get(key);
  };
}
