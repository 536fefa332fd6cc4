/**
 * A text as a file of this phone.
 *
 * @module
 */

/**
 * @param {string} name @param {string} text @param {string} type
 * @returns {Promise<boolean>} Whether it is there, or in the hands of the system. The mini-program has no files that a person could open.
 */
export async function saveText(name, text, type) {
  // #ifdef H5
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return true;
  // #endif
  // #ifdef APP-PLUS
  const path = await written(name, text);
  if (!path) return false;
  // The system asks where to: into the files, or to another app.
  return new Promise((resolve) => {
    plus.share.sendWithSystem({ type: "file", href: path }, () => resolve(true), (error) => resolve(error?.code === -2)); // prettier-ignore
  });
  // #endif
  // #ifdef MP-WEIXIN
  return false;
  // #endif
}

// #ifdef APP-PLUS
/** @returns {Promise<string>} Its path; nothing where it could not be written. */
function written(name, text) {
  return new Promise((resolve) => {
    const fail = () => resolve("");
    plus.io.requestFileSystem(
      plus.io.PRIVATE_DOC,
      ({ root }) =>
        root.getFile(
          name,
          { create: true },
          (file) =>
            file.createWriter((writer) => {
              writer.onwrite = () => resolve(file.fullPath);
              writer.onerror = fail;
              writer.write(text);
            }, fail),
          fail,
        ),
      fail,
    );
  });
}
// #endif

/** Whether a person can get at files here. */
let files = true;
// #ifdef MP-WEIXIN
files = false;
// #endif
export const hasFiles = files;
