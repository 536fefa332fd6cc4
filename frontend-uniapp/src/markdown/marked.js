/** Markdown to tokens, by the package. @module */

import { Lexer, Marked } from "marked";

import { makeLex } from "../chat/lexer.js";

export const lex = makeLex({ Lexer, Marked });
