/**
 * Hand a file to the person: to keep it, or to give it to another app.
 *
 * @module
 */

/** @param {string} name @param {string} text @returns {Promise<void>} */
export async function saveText(name, text) {
  // #ifdef H5
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  // #endif
  // #ifdef APP-PLUS
  const path = await write(name, text);
  await new Promise((resolve) => plus.share.sendWithSystem({ type: "file", href: path }, resolve, resolve));
  // #endif
  // #ifdef MP-WEIXIN
  const filePath = `${wx.env.USER_DATA_PATH}/${name}`;
  await new Promise((resolve, reject) => {
    const fail = ({ errMsg }) => reject(new Error(errMsg));
    wx.getFileSystemManager().writeFile({ filePath, data: text, encoding: "utf8", success: resolve, fail });
  });
  await new Promise((resolve) => wx.shareFileMessage({ filePath, fileName: name, complete: resolve }));
  // #endif
}

// #ifdef APP-PLUS
/** Into the app's own documents. @returns {Promise<string>} Where it is. */
function write(name, text) {
  return new Promise((resolve, reject) => {
    const found = (folder) => folder.getFile(name, { create: true }, opened, reject);
    const opened = (entry) => entry.createWriter((writer) => fill(writer, entry), reject);
    const fill = (writer, entry) => {
      writer.onwriteend = () => resolve(entry.toLocalURL());
      writer.onerror = reject;
      writer.truncate(0);
      writer.write(text);
    };
    plus.io.requestFileSystem(plus.io.PRIVATE_DOC, ({ root }) => found(root), reject);
  });
}
// #endif
