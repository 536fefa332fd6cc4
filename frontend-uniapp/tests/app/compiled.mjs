/** A loader for Node: the client's modules as they are compiled for the App, by uni-app's own preprocessor. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const { preprocess } = createRequire(import.meta.url)("@dcloudio/uni-cli-shared/lib/preprocess");
const SOURCES = new URL("../../src/", import.meta.url).href;
const APP = { APP: true, "APP-PLUS": true, VUE3: true };

export async function load(url, context, next) {
  if (!url.startsWith(SOURCES)) return next(url, context);
  const source = await readFile(fileURLToPath(url), "utf8");
  return { format: "module", source: preprocess(source, APP, { type: "js" }), shortCircuit: true };
}
