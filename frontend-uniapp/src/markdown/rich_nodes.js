/**
 * KaTeX's tree as the nodes of `rich-text`, which the App and the mini-program draw: spans with classes and styles. Drawings (roots, braces, wide
 * accents) are masks over the colour of the text, since there is no `svg` among those nodes.
 *
 * @module
 */

/** @typedef {{name: string, attrs: Record<string, string>, children: any[]} | {type: "text", text: string}} RichNode */

const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const ALIGNED = { xMin: "left", xMid: "center", xMax: "right" };
/** Names of styles and values that KaTeX has; whatever else a formula could bring in stays out. */
const STYLE = /^[a-z-]+$/;
const VALUE = /^[#\w.%+ -]+$/;

/** @param {any[]} trees @returns {RichNode[]} */
export const richNodes = (trees) => trees.flatMap(nodesOf);

function nodesOf(node) {
  if (node.text !== undefined) return symbol(node);
  if (node.viewBox !== undefined || (node.attributes && isDrawing(node))) return [drawing(node)];
  if (!node.classes) return richNodes(node.children ?? []);
  return [span(classesOf(node), styleOf(node), richNodes(node.children ?? []))];
}

const span = (names, style, children) => ({ name: "span", attrs: { ...(names && { class: names }), ...(style && { style }) }, children });
const classesOf = (node) => (node.classes ?? []).filter(Boolean).join(" ");

function symbol(node) {
  const text = { type: "text", text: node.text };
  const italic = node.italic > 0 ? `margin-right:${round(node.italic)}em;` : "";
  const style = `${italic}${styleOf(node)}`;
  const names = classesOf(node);
  return names || style ? [span(names, style, [text])] : [text];
}

const round = (number) => Number(number.toFixed(4));

function styleOf(node) {
  const kept = Object.entries(node.style ?? {}).map(([name, value]) => [name.replace(/[A-Z]/g, (sign) => `-${sign.toLowerCase()}`), String(value)]);
  return kept.filter(([name, value]) => STYLE.test(name) && VALUE.test(value)).map(([name, value]) => `${name}:${value};`).join("");
}

/** An `svg`: it has children that are paths or lines, and no classes. */
const isDrawing = (node) => !node.classes && node.children?.some((child) => child.pathName !== undefined || child.attributes?.x1 !== undefined);

function drawing(node) {
  const { width = "100%", height = "100%", viewBox, preserveAspectRatio = "xMidYMid meet" } = node.attributes;
  const box = viewBox ? ` viewBox="${quoted(viewBox)}" preserveAspectRatio="${quoted(preserveAspectRatio)}"` : "";
  // Lines are as long as what they strike through, and drawn by their stroke.
  const size = viewBox ? ` width="${quoted(width)}" height="${quoted(height)}"` : ' stroke="black"';
  const source = `<svg xmlns="http://www.w3.org/2000/svg"${size}${box}>${node.children.map((child) => child.toMarkup()).join("")}</svg>`;
  const address = `url(data:image/svg+xml,${encodeURIComponent(source).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)})`;
  const side = ALIGNED[preserveAspectRatio.slice(0, 4)] ?? "center";
  const own = node.ownWidth ? `width:${node.ownWidth};height:${height};` : "";
  const mask = `${address} ${side} top/${width} ${height} no-repeat`;
  return span("md-drawing", `${own}-webkit-mask:${mask};mask:${mask};`, []);
}

const quoted = (text) => String(text).replace(/[&<>"]/g, (sign) => SIGNS[sign]);
