/** The plain modules are tested as they are: without the plugin that makes pages of them. */

import { defineConfig } from "vitest/config";

export default defineConfig({ plugins: [], test: { include: ["tests/**/*.test.js"], environment: "node" } });
