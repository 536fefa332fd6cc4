/**
 * A growing text in pieces of some lines, of which only the last one changes.
 *
 * @module
 */

const LINES = 30;

/** @param {string} code @returns {import("./inline.js").Run[]} */
export function chunks(code) {
  const pieces = [];
  let from = 0;
  let lines = 0;
  for (let at = code.indexOf("\n"); at >= 0; at = code.indexOf("\n", at + 1)) {
    if ((lines += 1) % LINES) continue;
    pieces.push({ text: code.slice(from, at + 1), look: "" });
    from = at + 1;
  }
  pieces.push({ text: code.slice(from), look: "" });
  return pieces;
}
