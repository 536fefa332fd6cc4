/**
 * What a person has selected in a text stays selected when the text grows or gets its colours. Only a browser needs it: elsewhere nothing can be
 * selected while it changes.
 *
 * @module
 */

import { onBeforeUpdate, onUpdated } from "vue";

/** Call in a component's setup. @param {import("vue").Ref<HTMLElement|null>} box Whose text it is. */
export function keepSelection(box) {
  // #ifdef H5
  let restore = null;
  onBeforeUpdate(() => (restore = box.value && selectionIn(box.value)));
  onUpdated(() => restore?.());
  // #endif
}

// #ifdef H5
/** Where a selection begins and ends in an element, counted in characters; returns what puts it back. */
function selectionIn(element) {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed || !selection.containsNode(element, true)) return null;
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  const anchor = offsetIn(element, anchorNode, anchorOffset);
  const focus = offsetIn(element, focusNode, focusOffset);
  return () => {
    const from = anchor === null ? [anchorNode, anchorOffset] : placeIn(element, anchor);
    const to = focus === null ? [focusNode, focusOffset] : placeIn(element, focus);
    if (from[0] !== selection.anchorNode || from[1] !== selection.anchorOffset || to[0] !== selection.focusNode || to[1] !== selection.focusOffset) {
      selection.setBaseAndExtent(...from, ...to);
    }
  };
}

function offsetIn(element, node, offset) {
  if (!element.contains(node)) return null;
  const range = document.createRange();
  range.setStart(element, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

function placeIn(element, offset) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (left <= node.length) return [node, left];
    left -= node.length;
  }
  return [element, element.childNodes.length];
}
// #endif
