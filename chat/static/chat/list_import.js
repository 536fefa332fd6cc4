/**
 * Import: by the button below the list, or by dropping files on the list.
 *
 * @module
 */

import { byId, make } from "./dom.js";
import { words } from "./words.js";

/** @param {HTMLElement} root Where files may be dropped. @param {(files: File[]) => void} take */
export function onImport(root, take) {
  const picker = byId("import-files");
  byId("import").onclick = () => picker.click();
  picker.onchange = () => {
    const files = [...picker.files];
    picker.value = ""; // the same file may be chosen again
    if (files.length) take(files);
  };
  onDrop(root, take);
}

function onDrop(root, take) {
  const sign = make("div", { className: "drop", hidden: true }, words.dropHere);
  root.append(sign);
  // Going from one element inside to another leaves the first after entering the second.
  let inside = 0;
  const turn = (by) => {
    inside = by ? inside + by : 0;
    sign.hidden = inside <= 0;
  };
  const listen = (name, call) =>
    root.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      call(event);
    });
  listen("dragenter", () => turn(1));
  listen("dragleave", () => turn(-1));
  listen("dragover", (event) => (event.dataTransfer.dropEffect = "copy"));
  listen("drop", (event) => {
    turn(0);
    take([...event.dataTransfer.files]);
  });
}

/** What is to be said of a file that was refused. @param {import("./conversations.js").RefusedFile} refused */
export function sentenceOf({ name, code, message }) {
  if (code === "not_ours") return words.notOurs(name);
  if (code === "too_big") return words.fileTooBig(name);
  return words.notImported(name, message);
}
