/** The rules of all JavaScript here: the chat page, what it shares with the phone client, and their tests. Run from the repository's root. */

import js from "@eslint/js";
import vue from "eslint-plugin-vue";
import globals from "globals";
import vueParser from "vue-eslint-parser";

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

/** Where one platform is compiled at a time (`#ifdef`), a file holds the code of all of them. */
const compiled = { ...rules, "no-unreachable": "off", "no-dupe-keys": "off" };

/** What uni-app and its platforms bring. */
const uniGlobals = { uni: "readonly", plus: "readonly", wx: "readonly", getCurrentPages: "readonly" };

export default [
  { ignores: ["**/vendor/**", "**/node_modules/**", "**/dist/**"] },
  { files: ["chat/static/**/*.js"], rules, languageOptions: { globals: globals.browser } },
  { files: ["chat/static/chat/admin/*.js"], rules, languageOptions: { globals: { ...globals.browser, uPlot: "readonly" } } },
  // The modules that the phone client shares have nothing of a browser.
  { files: ["frontend-uniapp/src/chat/**/*.js"], rules, languageOptions: { globals: globals["shared-node-browser"] } },
  ...vue.configs["flat/recommended"].map((one) => ({ ...one, files: ["frontend-uniapp/src/**/*.vue"] })),
  {
    files: ["frontend-uniapp/src/**/*.vue"],
    rules: {
      ...compiled,
      // How lines are broken is nobody's concern; HTML never comes from a string.
      "vue/html-indent": "off",
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/html-self-closing": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/attributes-order": "off",
      "vue/require-default-prop": "off",
      "vue/require-prop-types": "off",
      "vue/multi-word-component-names": "off",
      "vue/no-v-html": "error",
    },
    languageOptions: { parser: vueParser, globals: { ...globals.browser, ...uniGlobals } },
  },
  { files: ["frontend-uniapp/src/{app,platform}/**/*.js", "frontend-uniapp/src/main.js"], rules: compiled, languageOptions: { globals: { ...globals.browser, ...uniGlobals } } },
  // Plain modules: they run in a browser, in the App's script engine and in the mini-program, so they use what all of them have.
  { files: ["frontend-uniapp/src/{markdown,connect,store,words,ui,thread,settings,drawer,composer}/**/*.js"], rules, languageOptions: { globals: globals["shared-node-browser"] } },
  { files: ["frontend-uniapp/first/*.js"], rules, languageOptions: { globals: globals.browser, sourceType: "script" } },
  { files: ["frontend-uniapp/{tests/**/*.js,*.config.js}"], rules, languageOptions: { globals: globals.node } },
  { files: ["tests/js/**/*.mjs"], rules, languageOptions: { globals: globals.node } },
];
