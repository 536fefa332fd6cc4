/**
 * What the phone client says in its settings, in English and Chinese.
 *
 * @module
 */

export const EN = {
  server: "Computer",
};

/** @type {typeof EN} */
export const ZH = {
  server: "电脑",
};
