/**
 * A worker that colours code. It may take as long as it needs: the page goes on meanwhile, and ends it when it takes too long.
 * It answers with the lengths of the pieces and what each is, not with HTML.
 *
 * @module
 */

import highlight from "../vendor/highlight/highlight.min.js";

const MORE = new Set("cmake dart dockerfile elixir groovy haskell http julia latex matlab nginx powershell properties protobuf scala".split(" "));
const ALIASES = { docker: "dockerfile", ps1: "powershell", pwsh: "powershell", tex: "latex", hs: "haskell", jl: "julia", ex: "elixir", proto: "protobuf", vue: "xml" };
const SIGNS = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#x27;": "'" };
const PARTS = /<span class="([^"]*)">|(<\/span>)|(&(?:amp|lt|gt|quot|#x27);)|[^<&]+/g;

self.onmessage = async ({ data: { id, language, code } }) => {
  const name = await known(language.toLowerCase());
  postMessage({ id, runs: name ? runsOf(highlight.highlight(code, { language: name, ignoreIllegals: true }).value) : null });
};

async function known(language) {
  const name = Object.hasOwn(ALIASES, language) ? ALIASES[language] : language;
  if (MORE.has(name) && !highlight.getLanguage(name)) {
    highlight.registerLanguage(name, (await import(`../vendor/highlight/languages/${name}.min.js`)).default);
  }
  return highlight.getLanguage(name) ? name : "";
}

/**
 * The highlighter's HTML as pieces that stand side by side.
 * @returns {[number, string][]} Length and kind of each; the kind is the innermost scope, such as `string` or `title function`.
 */
function runsOf(html) {
  const runs = [];
  const open = [""];
  for (const [piece, scope, closed, sign] of html.matchAll(PARTS)) {
    if (closed) open.pop();
    else if (scope !== undefined) open.push(kindOf(scope) || open.at(-1));
    else {
      const length = (sign ? SIGNS[sign] : piece).length;
      const last = runs.at(-1);
      if (last?.[1] === open.at(-1)) last[0] += length;
      else runs.push([length, open.at(-1)]);
    }
  }
  return runs;
}

const KINDS = {
  keyword: "keyword", operator: "", built_in: "built-in", type: "type", literal: "literal", number: "number", string: "string", regexp: "string", char: "string",
  comment: "comment", quote: "comment", doctag: "comment", title: "title", function: "", class: "", section: "title", name: "keyword", tag: "", attr: "attribute",
  attribute: "attribute", property: "attribute", variable: "variable", "template-variable": "variable", "template-tag": "keyword", symbol: "literal", bullet: "literal",
  link: "string", meta: "meta", addition: "addition", deletion: "deletion", "selector-tag": "keyword", "selector-id": "title", "selector-class": "title",
  "selector-attr": "attribute", "selector-pseudo": "attribute", subst: "plain", params: "", code: "string",
};

const kindOf = (scope) => KINDS[/^hljs-([\w-]+)/.exec(scope)?.[1]] ?? "";
