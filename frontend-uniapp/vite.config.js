/** Builds the phone client for H5, the App and the mini-program: `npm run build:h5`, `build:app`, `build:mp-weixin`. */

import { brotliCompressSync, gzipSync } from "node:zlib";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import uniModule from "@dcloudio/vite-plugin-uni";
import { defineConfig } from "vite";

import { katexFonts, prism } from "./markdown.config.js";

const uni = uniModule.default ?? uniModule;
const COMPRESSED = /\.(?:js|css|html|svg|json)$/;

/** The server sends what is compressed already: phones on a hotspot get the client in a quarter of the bytes. */
function compressed() {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      if (process.env.UNI_PLATFORM !== "h5") return;
      for (const path of filesIn(process.env.UNI_OUTPUT_DIR)) {
        if (!COMPRESSED.test(path)) continue;
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(bytes));
      }
    },
  };
}

function filesIn(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}

export default defineConfig({ plugins: [prism(), katexFonts(), uni(), compressed()], build: { target: "es2019", chunkSizeWarningLimit: 1500, assetsInlineLimit: 0 } });
