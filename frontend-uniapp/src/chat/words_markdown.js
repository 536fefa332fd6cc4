/**
 * What is said inside answers.
 *
 * @module
 */

export const EN = {
  copyCode: "Copy",
  codeCopied: "Copied",
  codeIn: (language) => (language ? `Code, ${language}` : "Code"),
  table: "Table",
  picture: "Picture",
  taskDone: "Done",
  taskOpen: "To do",
  addressCopied: "Address copied",
};

/** @type {typeof EN} */
export const ZH = {
  copyCode: "复制",
  codeCopied: "已复制",
  codeIn: (language) => (language ? `代码，${language}` : "代码"),
  table: "表格",
  picture: "图片",
  taskDone: "已完成",
  taskOpen: "未完成",
  addressCopied: "已复制链接",
};
