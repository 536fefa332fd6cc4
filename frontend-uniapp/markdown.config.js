/** What Prism and KaTeX need to be packed for every platform. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const FONTS = join(dirname(createRequire(import.meta.url).resolve("katex/package.json")), "dist", "fonts");
/** What a package of the App or the mini-program has room for: the fonts that nearly all formulas need. */
const PACKED = new Set("AMS-Regular Caligraphic-Regular Main-Bold Main-Italic Main-Regular Math-Italic Size1-Regular Size2-Regular Size3-Regular Size4-Regular".split(" "));

/** Prism's languages expect a global `Prism`, and the mini-program has no globals: each imports it. */
export function prism() {
  return {
    name: "prism",
    enforce: "pre",
    transform(code, id) {
      if (!/prismjs[\\/]components[\\/]prism-(?!core\b)[\w-]+\.js$/.test(id)) return null;
      return { code: `import Prism from "prismjs/components/prism-core.js";\n${code}`, map: null };
    },
  };
}

/** KaTeX's fonts: one kind of file, which all browsers know. A browser asks for those it needs; elsewhere they are in the style itself. */
export function katexFonts() {
  return {
    name: "katex-fonts",
    enforce: "pre",
    transform(code, id) {
      if (!/katex[\\/]dist[\\/]katex\.min\.css/.test(id)) return null;
      const one = code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, "");
      if (process.env.UNI_PLATFORM === "h5") return { code: one, map: null };
      // The mini-program knows no selectors of tags; pictures in formulas need a command that is not allowed.
      return { code: one.replace(/@font-face\{[^}]*\}/g, packed).replace(/\.katex img\{[^}]*\}/, ""), map: null };
    },
  };
}

function packed(face) {
  const name = /KaTeX_([\w-]+)\.woff2/.exec(face)[1];
  if (!PACKED.has(name)) return "";
  const font = readFileSync(join(FONTS, `KaTeX_${name}.woff2`)).toString("base64");
  return face.replace(/url\([^)]*\)/, `url(data:font/woff2;base64,${font})`);
}
