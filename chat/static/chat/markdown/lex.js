/** Markdown to tokens, by the marked that lies here. @module */

import { makeLex } from "../lexer.js";
import { Lexer, Marked } from "../vendor/marked/marked.esm.js";

export const lex = makeLex({ Lexer, Marked });
