/**
 * What is said about finding a computer and being paired with it, in English and Chinese.
 *
 * @module
 */

export const EN = {
  connectTitle: "Connect",
};

/** @type {typeof EN} */
export const ZH = {
  connectTitle: "连接",
};
