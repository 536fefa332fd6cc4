/**
 * Which of a long conversation's messages are drawn: those around the reader, so that opening five hundred costs what opening thirty does.
 *
 * @module
 */

/** So many are drawn at first, which fill a screen; the others follow a few at a time, so that no moment is long. */
export const DRAWN = 8;
/** So many more when the reader is near an edge of them. */
export const STEP = 2;
/** Never more than this: those at the other edge go. */
export const MOST = 60;
/** So many are left at the end, once there are too many. */
const LEFT = 30;

/** From the first that is drawn to the one behind the last. @typedef {{from: number, to: number}} Drawn */

/** @param {number} count How many messages there are. @returns {Drawn} */
export function atEnd(count) {
  return { from: Math.max(0, count - DRAWN), to: count };
}

/** The reader comes near the first that is drawn. @param {Drawn} drawn @returns {Drawn} */
export function further(drawn) {
  const from = Math.max(0, drawn.from - STEP);
  return same(drawn, { from, to: Math.min(drawn.to, from + MOST) });
}

/** The reader comes near the last that is drawn. @param {Drawn} drawn @param {number} count @returns {Drawn} */
export function back(drawn, count) {
  const to = Math.min(count, drawn.to + STEP);
  return same(drawn, { from: Math.max(drawn.from, to - MOST), to });
}

/** One message, with some before and behind it. @param {number} place @param {number} count @returns {Drawn} */
export function around(place, count) {
  const from = Math.max(0, Math.min(place - DRAWN / 2, count - DRAWN));
  return { from, to: Math.min(count, from + DRAWN) };
}

/**
 * There are more messages now, or fewer. Who is at the end sees the end; for everybody else nothing moves.
 * @param {Drawn} drawn
 * @param {number} before How many there were.
 * @param {number} count
 * @param {boolean} follows The reader is at the end.
 * @returns {Drawn}
 */
export function changed(drawn, before, count, follows) {
  if (follows && (drawn.from >= count || drawn.to < before)) return atEnd(count);
  if (follows) return same(drawn, { from: count - drawn.from > MOST ? count - LEFT : drawn.from, to: count });
  const to = drawn.to >= before ? count : Math.min(drawn.to, count);
  return same(drawn, { from: Math.max(0, Math.min(drawn.from, to - 1)), to });
}

/** What is the same is the same object: nothing is drawn anew. */
function same(drawn, next) {
  return drawn.from === next.from && drawn.to === next.to ? drawn : next;
}
