/**
 * What only the phone client says, in English and Chinese.
 *
 * @module
 */

export const EN = {
  drawer: "Conversations",
  server: "Computer",
};

/** @type {typeof EN} */
export const ZH = {
  drawer: "对话列表",
  server: "电脑",
};
