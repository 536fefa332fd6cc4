/**
 * What the phone client says about the list of conversations, in English and Chinese.
 *
 * @module
 */

export const EN = {
  drawer: "Conversations",
};

/** @type {typeof EN} */
export const ZH = {
  drawer: "对话列表",
};
