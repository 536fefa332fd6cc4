/**
 * What of others is built into the client, as their packages say at build time.
 *
 * @module
 */

import { license as uniLicense, version as uniVersion } from "@dcloudio/uni-app/package.json";
import { license as katexLicense, version as katexVersion } from "katex/package.json";
import { license as markedLicense, version as markedVersion } from "marked/package.json";
import { license as prismLicense, version as prismVersion } from "prismjs/package.json";

// By its path: for the mini-program and the App, "vue" itself is uni-app's own.
import { license as vueLicense, version as vueVersion } from "../../node_modules/vue/package.json";
import { version } from "../../package.json";

export const OWN_VERSION = version;

export const BUILT_IN = [
  { name: "uni-app", version: uniVersion, license: uniLicense },
  { name: "Vue", version: vueVersion, license: vueLicense },
  { name: "KaTeX", version: katexVersion, license: katexLicense },
  { name: "Marked", version: markedVersion, license: markedLicense },
  { name: "Prism", version: prismVersion, license: prismLicense },
];
