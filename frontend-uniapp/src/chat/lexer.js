/**
 * Markdown to tokens: marked, set up for what models write. Who uses it brings marked along: the chat page has its own copy, the phone client
 * the package. Raw HTML is text, but for a few tags without attributes; formulas are tokens.
 *
 * Hostile text takes bounded time: what marked would need long for (thousands of marks that might pair, or hundreds of nested quotes)
 * is not given to it, and is shown as it is written.
 *
 * @module
 */

/** Marks that may pair with others: the time for pairing them grows with their square. */
const MOST_MARKS = 3_000;
const MOST_CHARS = 24_000;
const MOST_SPACES = /[ \t]{2000}/;
const MOST_NESTED = 24;
const MARKS = /[*_~`[\]<!$@\\]/g;
const NESTED = new RegExp(`^(?:[ \\t]*(?:>|[-*+](?=[ \\t])|\\d{1,9}[.)](?=[ \\t]))){${MOST_NESTED}}`, "m");
const INDENTED = /^(?:\t| {4}){24}[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]/m;
const LONGEST_FORMULA = 2_000;

const DISPLAY = /^(?:\$\$((?:\\[^]|[^\\$])+?)\$\$|\\\[([^]+?)\\\])/;
const INLINE = /^(?:\\\(([^]+?)\\\)|\$((?:\\[^]|[^\\$\n]|\n(?!\s*\n))+?)\$(?![A-Za-z0-9]))/;
/** Stars and underscores in them are not emphasis. */
const FORMULAS = /\$([^$\n]{1,500})\$(?![A-Za-z0-9])|\\\([^\n]{1,500}?\\\)/g;
const DISPLAY_BLOCK = /^ {0,3}(?:\$\$((?:\\[^]|[^\\$])+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n|$)/;

const displayFormula = {
  name: "displayFormula",
  level: "block",
  start: (src) => /\n {0,3}(?:\$\$|\\\[)/.exec(src)?.index,
  tokenizer(src) {
    const found = DISPLAY_BLOCK.exec(src.slice(0, LONGEST_FORMULA));
    if (!found || /\n[ \t]*\n/.test(found[0].trim())) return undefined;
    return { type: "formula", raw: found[0], tex: found[1] ?? found[2], display: true };
  },
};

const formula = {
  name: "formula",
  level: "inline",
  start: (src) => /\$|\\[([]/.exec(src)?.index,
  tokenizer(src, tokens) {
    const head = src.slice(0, LONGEST_FORMULA);
    const display = DISPLAY.exec(head);
    if (display) return { type: "formula", raw: display[0], tex: display[1] ?? display[2], display: true };
    const found = INLINE.exec(head);
    if (!found) return undefined;
    const before = tokens.at(-1)?.raw.at(-1) ?? "";
    if (found[2] !== undefined && (/[A-Za-z0-9$]/.test(before) || !isFormula(found[2]))) return undefined;
    return { type: "formula", raw: found[0], tex: found[1] ?? found[2], display: false };
  },
};

/** Whether what stands between two dollar signs is a formula, and not what stands between two prices. */
export function isFormula(text) {
  if (/^\s|\s$/.test(text)) return false;
  if (/[\u3000-\u9fff\uff00-\uffef]/.test(text.replace(/\\(?:text|mathrm|mbox|operatorname)\s*\{[^}]*\}/g, ""))) return false;
  // "5 and" of "$5 and $10" ends with a space; "5/month, or $" and "20 USD" begin with an amount that a word follows.
  return !/^\d[\d.,]*(?:[-–/]|\s+)?[A-Za-z]{2,}/.test(text) && !/^\d[\d.,]*[,;.]?\s+(?:[a-z]+\s)+/i.test(text);
}

const footnote = {
  name: "footnote",
  level: "inline",
  start: (src) => src.indexOf("[^"),
  tokenizer(src) {
    const found = /^\[\^([^\]\s]{1,40})\](?!\()/.exec(src);
    return found ? { type: "footnote", raw: found[0], label: found[1] } : undefined;
  },
};

const OPTIONS = {
  gfm: true,
  breaks: true,
  extensions: [displayFormula, formula, footnote],
  tokenizer: { html: () => undefined },
  hooks: { emStrongMask: (src) => src.replace(FORMULAS, (found, inner) => (inner && !isFormula(inner) ? found : "+".repeat(found.length))) },
};

/** @typedef {Record<string, {href: string, title: string}>} Links What `[label]: address` said, by label. */

/**
 * @callback Lex
 * @param {string} text One block.
 * @param {Links} links Of the whole answer; what this text defines is added.
 * @returns {any[]} marked's tokens
 */

/** @param {{Lexer: any, Marked: any}} marked @returns {Lex} */
export function makeLex({ Lexer, Marked }) {
  const instance = new Marked(OPTIONS);
  return (text, links) => {
    if (isTooMuch(text)) return [{ type: "plain", raw: text }];
    const lexer = new Lexer(instance.defaults);
    lexer.tokens.links = links;
    try {
      return lexer.lex(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // the stack was too small for it
      return [{ type: "plain", raw: text }];
    }
  };
}

function isTooMuch(text) {
  if (text.length > MOST_CHARS || MOST_SPACES.test(text) || NESTED.test(text) || INDENTED.test(text)) return true;
  let marks = 0;
  MARKS.lastIndex = 0;
  while (MARKS.test(text)) if ((marks += 1) > MOST_MARKS) return true;
  return false;
}
