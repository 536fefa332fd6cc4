/**
 * What the list of conversations says, in English and Chinese.
 *
 * @module
 */

export const EN = {
  search: "Search conversations",
  searchPlaceholder: "Search",
  clearSearch: "Clear the search",
  listKeys: "Arrow keys move through the list, F2 renames, Delete deletes.",
  pinned: "Pinned",
  lastWeek: "Previous 7 days",
  loadingMore: "Loading more",
  moreFailed: (why) => `The rest of the list could not be loaded. ${why}`,

  actionsFor: (title) => `Actions for “${title}”`,
  rename: "Rename",
  newTitle: "New title",
  titleEmpty: "A title needs at least one character.",
  pin: "Pin",
  unpin: "Unpin",
  exportMarkdown: "Export as Markdown",
  exportJson: "Export as JSON",
  remove: "Delete",
  notRenamed: (why) => `The title was not saved. ${why}`,
  notPinned: (why) => `This could not be pinned or unpinned. ${why}`,

  deleted: (title) => `“${title}” deleted from your list.`,
  recordStays: "The owner of this computer keeps the record.",
  undo: "Undo",
  restored: (title) => `“${title}” is back in your list.`,
  notDeleted: (title, why) => `“${title}” was not deleted. ${why}`,
  notRestored: (title, why) => `“${title}” could not be brought back. ${why}`,
  notices: "Notices",

  titles: "Titles",
  messages: "Messages",
  said: (who) => `${who}: `,
  searching: "Searching",
  found: (count, more) => (count === 1 && !more ? "1 result" : `${more ? "More than " : ""}${count} results`),
  nothingFound: (text) => `Nothing found for “${text}”.`,
  searchFailed: (why) => `The search did not work. ${why}`,

  import: "Import",
  importing: (count) => (count === 1 ? "Importing 1 file" : `Importing ${count} files`),
  imported: (count) => (count === 1 ? "1 conversation imported." : `${count} conversations imported.`),
  openIt: "Open",
  notOurs: (name) => `${name} is not a conversation that was exported as JSON here.`,
  fileTooBig: (name) => `${name} is too big to be a conversation from here.`,
  notImported: (name, why) => `${name} was not imported. ${why}`,
  moreRefused: (count) => (count === 1 ? "1 more was not imported." : `${count} more were not imported.`),
  dropHere: "Drop exported conversations here",
};

/** @type {typeof EN} */
export const ZH = {
  search: "搜索对话",
  searchPlaceholder: "搜索",
  clearSearch: "清空搜索",
  listKeys: "用方向键在列表中移动，F2 改名，Delete 删除。",
  pinned: "置顶",
  lastWeek: "7 天内",
  loadingMore: "正在加载",
  moreFailed: (why) => `更早的对话没能加载。${why}`,

  actionsFor: (title) => `“${title}”的操作`,
  rename: "重命名",
  newTitle: "新标题",
  titleEmpty: "标题不能为空。",
  pin: "置顶",
  unpin: "取消置顶",
  exportMarkdown: "导出为 Markdown",
  exportJson: "导出为 JSON",
  remove: "删除",
  notRenamed: (why) => `标题没有保存。${why}`,
  notPinned: (why) => `置顶没有改成。${why}`,

  deleted: (title) => `“${title}”已从你的列表中删除。`,
  recordStays: "电脑的主人仍保有记录。",
  undo: "撤销",
  restored: (title) => `“${title}”已恢复到列表。`,
  notDeleted: (title, why) => `“${title}”没有删除。${why}`,
  notRestored: (title, why) => `“${title}”没能恢复。${why}`,
  notices: "提示",

  titles: "标题",
  messages: "消息",
  said: (who) => `${who}：`,
  searching: "正在搜索",
  found: (count, more) => (more ? `超过 ${count} 条结果` : `${count} 条结果`),
  nothingFound: (text) => `没有找到“${text}”。`,
  searchFailed: (why) => `搜索没有成功。${why}`,

  import: "导入",
  importing: (count) => `正在导入 ${count} 个文件`,
  imported: (count) => `已导入 ${count} 个对话。`,
  openIt: "打开",
  notOurs: (name) => `${name} 不是从这里导出的 JSON 对话。`,
  fileTooBig: (name) => `${name} 太大，不像是从这里导出的对话。`,
  notImported: (name, why) => `${name} 没有导入。${why}`,
  moreRefused: (count) => `另有 ${count} 个没有导入。`,
  dropHere: "把导出的对话拖到这里",
};
