/**
 * How the languages that code is written in are called.
 *
 * @module
 */

/** How the languages are called, by what fences call them. */
const NAMES = new Map(
  Object.entries({
    JavaScript: "js javascript",
    TypeScript: "ts typescript",
    Python: "py python",
    Shell: "sh",
    Bash: "bash",
    HTML: "html",
    CSS: "css",
    JSON: "json",
    YAML: "yaml yml",
    SQL: "sql",
    "C++": "cpp c++",
    "C#": "cs csharp c#",
    Go: "go",
    Rust: "rust",
    Java: "java",
    Kotlin: "kotlin",
    Swift: "swift",
    PHP: "php",
    Ruby: "ruby",
    XML: "xml",
    Markdown: "md markdown",
    LaTeX: "latex tex",
    TOML: "toml",
    Diff: "diff",
  }).flatMap(([name, all]) => all.split(" ").map((one) => [one, name])),
);

/** As people write it; as it is where it is not known. @param {string} said What the fence says. */
export const languageName = (said) => NAMES.get(said.toLowerCase()) ?? said;
