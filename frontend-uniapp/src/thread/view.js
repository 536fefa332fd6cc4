/**
 * What others may want of the thread's view.
 *
 * @module
 */

import { shallowReactive } from "vue";

/** A number that grows: each time, the thread goes to its end. */
export const view = shallowReactive({ toEnd: 0 });

export function showEnd() {
  view.toEnd += 1;
}
