/**
 * The languages that code is coloured in. Only `tokenize` is used, which makes no HTML.
 *
 * @module
 */

import "../platform/prism_quiet.js";
import Prism from "prismjs/components/prism-core.js";
import "prismjs/components/prism-markup.js";
import "prismjs/components/prism-css.js";
import "prismjs/components/prism-clike.js";
import "prismjs/components/prism-javascript.js";
import "prismjs/components/prism-typescript.js";
import "prismjs/components/prism-jsx.js";
import "prismjs/components/prism-tsx.js";
import "prismjs/components/prism-json.js";
import "prismjs/components/prism-python.js";
import "prismjs/components/prism-bash.js";
import "prismjs/components/prism-powershell.js";
import "prismjs/components/prism-c.js";
import "prismjs/components/prism-cpp.js";
import "prismjs/components/prism-csharp.js";
import "prismjs/components/prism-java.js";
import "prismjs/components/prism-kotlin.js";
import "prismjs/components/prism-scala.js";
import "prismjs/components/prism-go.js";
import "prismjs/components/prism-rust.js";
import "prismjs/components/prism-swift.js";
import "prismjs/components/prism-dart.js";
import "prismjs/components/prism-markup-templating.js";
import "prismjs/components/prism-php.js";
import "prismjs/components/prism-ruby.js";
import "prismjs/components/prism-lua.js";
import "prismjs/components/prism-r.js";
import "prismjs/components/prism-matlab.js";
import "prismjs/components/prism-sql.js";
import "prismjs/components/prism-yaml.js";
import "prismjs/components/prism-toml.js";
import "prismjs/components/prism-ini.js";
import "prismjs/components/prism-docker.js";
import "prismjs/components/prism-makefile.js";
import "prismjs/components/prism-diff.js";
import "prismjs/components/prism-latex.js";

const MORE = { golang: "go", vue: "markup", zsh: "bash", console: "bash", pwsh: "powershell", ps1: "powershell", jsonc: "json", jsonl: "json", h: "c", hpp: "cpp", cc: "cpp", "c++": "cpp", "c#": "csharp", rs: "rust", octave: "matlab", patch: "diff", postgresql: "sql", mysql: "sql", sqlite: "sql" };

/** @param {string} said What the fence says. @returns {any} The grammar, or nothing. */
export function grammarOf(said) {
  const name = said.toLowerCase();
  const known = Object.hasOwn(MORE, name) ? MORE[name] : name;
  const grammar = Object.hasOwn(Prism.languages, known) ? Prism.languages[known] : null;
  return typeof grammar === "object" && known !== "extend" ? grammar : null;
}

/** @param {string} code @param {any} grammar */
export const tokenize = (code, grammar) => Prism.tokenize(code, grammar);
