/**
 * The colours of code, from what Prism finds in it: pieces of text that stand side by side.
 *
 * @module
 */

/** @typedef {import("./inline.js").Run} Run */

/** Longer code stays without colours, and so does code with longer lines: the time for some patterns grows with the square of them. */
const MOST_CHARS = 12_000;
const LONGEST_LINE = 400;

/** What Prism calls things, by the colours there are. */
const KINDS = {
  "md-c-keyword": "keyword atrule important tag rule module boolean constant literal null nil directive doctype prolog instruction",
  "md-c-string": "string char regex attr-value url template-string inserted inserted-sign triple-quoted-string string-literal code-snippet heredoc-string",
  "md-c-number": "number hexcode unit datetime date",
  "md-c-comment": "comment cdata shebang blockquote",
  "md-c-title": "function function-definition title class-name-definition method selector section target",
  "md-c-type": "class-name builtin type maybe-class-name namespace generics annotation decorator attribute-name",
  "md-c-attribute": "attr-name property variable parameter key symbol entity assign-left environment",
  "md-c-deletion": "deleted deleted-sign",
};
/** @type {Map<string, string>} */
const LOOKS = new Map(Object.entries(KINDS).flatMap(([look, names]) => names.split(" ").map((name) => /** @type {[string, string]} */ ([name, look]))));

/** @param {string} language @param {string} code */
export function isColoured(language, code) {
  return Boolean(language) && code.length <= MOST_CHARS && !code.split("\n").some((line) => line.length > LONGEST_LINE);
}

/** Coloured like nothing around them. */
const PLAIN = new Set(["interpolation", "punctuation", "operator"]);

/** @param {any} tokens Prism's. @returns {Run[]} Side by side; what looks the same is one. */
export function flat(tokens) {
  /** @type {Run[]} */
  const runs = [];
  const add = (piece, look) => {
    if (Array.isArray(piece)) for (const one of piece) add(one, look);
    else if (typeof piece !== "string") add(piece.content, lookOf(piece) ?? look);
    else if (runs.length && runs[runs.length - 1].look === look) runs[runs.length - 1].text += piece;
    else if (piece) runs.push({ text: piece, look });
  };
  add(tokens, "");
  return runs;
}

function lookOf({ type, alias }) {
  if (PLAIN.has(type)) return "";
  const names = [type, ...(Array.isArray(alias) ? alias : [alias])];
  return names.map((name) => LOOKS.get(name)).find(Boolean);
}

/** @param {typeof import("./prism.js")} prism @param {string} language @param {string} code @returns {Run[]|null} */
export function coloured(prism, language, code) {
  const grammar = prism.grammarOf(language);
  if (!grammar || !isColoured(language, code)) return null;
  try {
    return flat(prism.tokenize(code, grammar));
  } catch {
    return null; // too deep for the stack
  }
}
