/**
 * What the phone client says around messages and the field, in English and Chinese.
 *
 * @module
 */

export const EN = {
  more: "More",
};

/** @type {typeof EN} */
export const ZH = {
  more: "更多",
};
