/** KaTeX with its look, for a browser: comes when the first formula does. @module */

import "katex/dist/katex.min.css";
import katex from "katex";

export default katex;
