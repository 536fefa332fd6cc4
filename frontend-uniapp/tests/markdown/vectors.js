/** What models may be made to say, from the tests of the chat page. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(new URL("../../../tests/browser/xss_vectors.py", import.meta.url));
const SCRIPT = `import json, runpy; all = runpy.run_path(${JSON.stringify(FILE)}); print(json.dumps([all["VECTORS"], all["ENDLESS"]]))`;

/** @type {[string[], Record<string, string>]} */
export const [VECTORS, ENDLESS] = JSON.parse(execFileSync(process.env.PYTHON ?? "python3", ["-c", SCRIPT], { encoding: "utf-8", maxBuffer: 1 << 28 }));
