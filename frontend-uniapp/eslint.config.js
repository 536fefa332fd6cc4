/** The rules of all JavaScript here: the chat page, what it shares with the phone client, and their tests. Run from the repository's root. */

import js from "@eslint/js";
import globals from "globals";

const rules = {
  ...js.configs.recommended.rules,
  eqeqeq: "error",
  "no-var": "error",
  "prefer-const": "error",
  "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "all" }],
  "no-shadow": "error",
  "no-eval": "error",
  "no-implied-eval": "error",
  "no-new-func": "error",
  "no-script-url": "error",
  "no-restricted-properties": [
    "error",
    { property: "innerHTML", message: "Text becomes HTML only in chat/static/chat/markdown/purify.js." },
    { property: "outerHTML", message: "Text becomes HTML only in chat/static/chat/markdown/purify.js." },
    { property: "insertAdjacentHTML", message: "Text becomes HTML only in chat/static/chat/markdown/purify.js." },
  ],
};

export default [
  { ignores: ["**/vendor/**", "**/node_modules/**", "**/dist/**"] },
  { files: ["chat/static/**/*.js"], rules, languageOptions: { globals: globals.browser } },
  { files: ["chat/static/chat/admin/*.js"], rules, languageOptions: { globals: { ...globals.browser, uPlot: "readonly" } } },
  // The modules that the phone client shares have nothing of a browser.
  { files: ["frontend-uniapp/src/chat/**/*.js"], rules, languageOptions: { globals: globals["shared-node-browser"] } },
  { files: ["tests/js/**/*.mjs", "frontend-uniapp/eslint.config.js"], rules, languageOptions: { globals: globals.node } },
];
