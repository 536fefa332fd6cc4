/**
 * What the phone client says about the list of conversations, in English and Chinese.
 *
 * @module
 */

export const EN = {
  drawer: "Conversations",
  closeDrawer: "Close the list",
  notHere: "This conversation is not on this phone. It opens when the computer can be reached.",
  notDone: (why) => `What was changed without the computer could not be stored there. ${why}`,
  onlyHere: "The computer cannot be reached: only what is on this phone was searched.",
  unsent: "Not sent yet",
  unsentRow: "Goes out when the phone is back",
  throwAway: (count) => (count === 1 ? "1 message has not gone out yet. It will be thrown away." : `${count} messages have not gone out yet. They will be thrown away.`),
  throwAwayTitle: (title) => `Delete “${title}”?`,
  copyMarkdown: "Copy as Markdown",
  copiedMarkdown: "The conversation was copied as Markdown.",
  notExported: (why) => `The conversation could not be exported. ${why}`,
  savedAs: (name) => `Saved as ${name}.`,
  removed: (title) => `“${title}” deleted. The owner of this computer keeps the record.`,
  connectedTo: "Connected",
  awayFrom: "Not connected",
  olderLater: "Older conversations are listed when the computer can be reached.",
};

/** @type {typeof EN} */
export const ZH = {
  drawer: "对话列表",
  closeDrawer: "收起列表",
  notHere: "这个对话没有存在手机里，连上电脑后就能打开。",
  notDone: (why) => `离线时做的修改没能保存到电脑。${why}`,
  onlyHere: "现在连不上电脑，只搜了存在手机里的内容。",
  unsent: "未发送",
  unsentRow: "连上后自动发出",
  throwAway: (count) => `有 ${count} 条消息还没发出，删除后不会再发。`,
  throwAwayTitle: (title) => `删除“${title}”？`,
  copyMarkdown: "复制为 Markdown",
  copiedMarkdown: "对话已复制为 Markdown。",
  notExported: (why) => `对话没能导出。${why}`,
  savedAs: (name) => `已保存为 ${name}。`,
  removed: (title) => `“${title}”已删除，电脑的主人仍保有记录。`,
  connectedTo: "已连接",
  awayFrom: "未连接",
  olderLater: "更早的对话，连上电脑后再列出。",
};
