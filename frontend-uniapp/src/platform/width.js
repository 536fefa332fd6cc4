/**
 * How wide the window is: the list has a column of its own where there is room.
 *
 * @module
 */

import { shallowReactive } from "vue";

const WIDE_PX = 900;

export const screen = shallowReactive({ wide: false });

// #ifdef H5
const query = matchMedia(`(min-width: ${WIDE_PX}px)`);
screen.wide = query.matches;
query.addEventListener("change", () => (screen.wide = query.matches));
// #endif
// #ifndef H5
screen.wide = uni.getSystemInfoSync().windowWidth >= WIDE_PX;
uni.onWindowResize?.(({ size }) => (screen.wide = size.windowWidth >= WIDE_PX));
// #endif
