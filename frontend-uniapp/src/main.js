import { createSSRApp } from "vue";

// #ifndef H5
import "katex/dist/katex.min.css";
// #endif

import App from "./App.vue";

/** What uni-app calls on every platform. */
export function createApp() {
  return { app: createSSRApp(App) };
}
