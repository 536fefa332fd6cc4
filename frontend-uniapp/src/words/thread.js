/**
 * What the phone client says around messages and the field, in English and Chinese.
 *
 * @module
 */

export const EN = {
  more: "More",
  share: "Share as text",
  shareCopied: "Copied: there is nothing to share with here.",
  notCopied: "This could not be copied. Choose “Select text” and copy it by hand.",
  selectText: "Select text",
  yourMessage: "Your message",
  theAnswer: "The answer",
  showAll: "Show all",
  showLess: "Show less",
  rated: "Thank you.",
  sayWhy: "Say why",
  yourComment: (text) => `Your comment: ${text}`,
  changeComment: "Change",
  answerWithModel: (name) => `Answer again with ${name}`,
  conversation: "Conversation",
};

/** @type {typeof EN} */
export const ZH = {
  more: "更多",
  share: "分享文字",
  shareCopied: "这里没有可分享的应用，文字已复制",
  notCopied: "没能复制，可以点“选取文字”后自己复制",
  selectText: "选取文字",
  yourMessage: "你的消息",
  theAnswer: "回答",
  showAll: "展开全部",
  showLess: "收起",
  rated: "谢谢反馈",
  sayWhy: "说说原因",
  yourComment: (text) => `你的评语：${text}`,
  changeComment: "修改",
  answerWithModel: (name) => `换 ${name} 再答一次`,
  conversation: "对话",
};
