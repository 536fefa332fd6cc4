/** Builds the phone client for H5, the App and the mini-program: `npm run build:h5`, `build:app`, `build:mp-weixin`. */

import { brotliCompressSync, gzipSync } from "node:zlib";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import uniModule from "@dcloudio/vite-plugin-uni";
import { defineConfig } from "vite";

import { katexFonts, prism } from "./markdown.config.js";

const uni = uniModule.default ?? uniModule;
const FIRST_PAGE = "/src/pages/chat/chat.vue";
const FIRST_SCRIPT = "first.js";
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

/** uni-app's own styles ask another host for a picture, three seconds after the start, as a sign that somebody uses it. Nothing here asks other hosts. */
function noOtherHosts() {
  return {
    name: "no-other-hosts",
    enforce: "pre",
    transform: (_code, id) => (/[\\/]style[\\/]framework[\\/]shadow\.css$/.test(id) ? { code: "", map: null } : null),
  };
}

/**
 * What `index.html` asks for at once, where a browser would find it only step by step: a small script that runs before anything is painted, and
 * the first page's own code and styles, which the entry asks for only when it runs.
 */
function firstPaint() {
  let serving = false;
  return {
    name: "first-paint",
    configResolved(config) {
      serving = config.command === "serve";
    },
    buildStart() {
      if (process.env.UNI_PLATFORM !== "h5" || serving) return;
      this.emitFile({ type: "asset", name: FIRST_SCRIPT, source: readFileSync(`first/${FIRST_SCRIPT}`, "utf-8") });
    },
    transformIndexHtml: {
      order: "post",
      handler(_html, { bundle }) {
        if (!bundle) return [{ tag: "script", attrs: { src: `/first/${FIRST_SCRIPT}` } }];
        const files = Object.values(bundle);
        const script = files.find((one) => one.name === FIRST_SCRIPT);
        const page = files.find((one) => one.facadeModuleId?.endsWith(FIRST_PAGE));
        return [
          { tag: "script", attrs: { src: `./${script.fileName}` }, injectTo: "head-prepend" },
          ...needed(page, bundle).map((file) => link(file, { rel: "modulepreload", crossorigin: "" })),
          ...styles(page, bundle).map((file) => link(file, { rel: "preload", as: "style" })),
        ];
      },
    },
  };
}

function link(file, attrs) {
  return { tag: "link", attrs: { ...attrs, href: `./${file}` }, injectTo: "head" };
}

/** A chunk and all that it imports, but for the entry, which the page has already. */
function needed(chunk, bundle, found = new Set()) {
  if (!chunk || chunk.isEntry || found.has(chunk.fileName)) return [...found];
  found.add(chunk.fileName);
  for (const name of chunk.imports) needed(bundle[name], bundle, found);
  return [...found];
}

function styles(chunk, bundle) {
  return [...new Set(needed(chunk, bundle).flatMap((name) => [...bundle[name].viteMetadata.importedCss]))];
}

/** The mini-program calls `role` `aria-role`; a browser knows no such thing, and tools that look for accessibility complain. */
function withoutMiniRoles() {
  return {
    name: "without-mini-roles",
    enforce: "pre",
    transform: (code, id) => (process.env.UNI_PLATFORM === "h5" && /\.vue$/.test(id) ? code.replace(/\s:?aria-role="[^"]*"/g, "") : null),
  };
}

/** `npm run dev:h5`: what is not the client's own comes from a server that runs beside it. Its Origin is the server's, as if the page were. */
const SERVER = process.env.LLMSITE_SERVER ?? "http://127.0.0.1:8000";
const fromServer = { target: SERVER, changeOrigin: true, ws: true, headers: { origin: SERVER } };

export default defineConfig({
  server: { proxy: { "/api": fromServer, "/ws": fromServer, "/pair": fromServer, "/healthz": fromServer } },
  plugins: [withoutMiniRoles(), prism(), katexFonts(), uni(), noOtherHosts(), firstPaint(), compressed()],
  build: { target: "es2019", chunkSizeWarningLimit: 1500, assetsInlineLimit: 0 },
});
