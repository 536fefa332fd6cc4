/**
 * A message whose text is shown by itself, so that parts of it can be selected.
 *
 * @module
 */

import { shallowReactive } from "vue";

export const selecting = shallowReactive({ text: "", label: "" });
