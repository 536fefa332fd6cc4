/**
 * Finds a computer again whose address has changed: at its last address, by its `.local` name, at addresses that it had before. Nothing of the phone is
 * shown to whoever answers there before it has said that it is that computer.
 *
 * @module
 */

import { withHost } from "./address.js";
import { whoIs } from "./check.js";

export const FIND_MS = 6_000;
/** The likelier place gets a little time before the next is asked as well. */
export const HEAD_START_MS = 250;

/** @typedef {{kind: "found", base: string, who: import("./check.js").Who}} Found */
/** @typedef {{kind: "lost", asked: string[], strangers: string[]}} Lost `strangers`: where another computer answers now. */

/** Where it may be, the likeliest first. @param {import("./servers.js").Known} known @returns {string[]} */
export function placesOf(known) {
  const [last, ...before] = known.bases;
  const named = known.host ? [withHost(last, known.host)] : [];
  return [...new Set([last, ...named, ...before])];
}

/**
 * @param {import("./servers.js").Known} known
 * @param {{ask: import("./check.js").Ask, timers: {set(call: () => void, ms: number): any, clear(timer: any): void}}} around
 * @returns {Promise<Found|Lost>} After FIND_MS and the head starts at the latest.
 */
export function findAgain(known, { ask, timers }) {
  const places = placesOf(known);
  const strangers = [];
  let waiting = places.length;
  return new Promise((resolve) => {
    const starts = [];
    const end = (result) => {
      starts.forEach((start) => timers.clear(start));
      resolve(result);
    };
    const look = async (base) => {
      const who = await whoIs(base, { ask }, FIND_MS).catch(() => null);
      waiting -= 1;
      if (who?.computer === known.id) return end({ kind: "found", base, who });
      if (who) strangers.push(base);
      if (!waiting) end({ kind: "lost", asked: places, strangers });
    };
    places.forEach((base, place) => starts.push(timers.set(() => look(base), place * HEAD_START_MS)));
  });
}
