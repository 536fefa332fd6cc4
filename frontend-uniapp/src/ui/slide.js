/**
 * A finger on a slider: a tap and a move along it are meant for it, a move across it scrolls the page. Pure.
 *
 * @module
 */

/** So far a finger that rests may tremble. */
const TREMBLE_PX = 6;

/** @typedef {{min: number, max: number, step: number}} Scale */

/** Which position lies at a place of the track. @param {number} x @param {{left: number, width: number}} track @param {Scale} scale */
export function positionAt(x, { left, width }, { min, max, step }) {
  const share = width > 0 ? Math.min(1, Math.max(0, (x - left) / width)) : 0;
  return within(min + Math.round((share * (max - min)) / step) * step, { min, max, step });
}

/** Without the dust of adding fractions. @param {number} position @param {Scale} scale */
function within(position, { min, max }) {
  return Math.min(max, Math.max(min, Number(position.toFixed(6))));
}

/**
 * Where a key leads; nothing where it is none of a slider's.
 * @param {string} key
 * @param {number} position
 * @param {Scale} scale
 * @returns {number|undefined}
 */
export function positionByKey(key, position, scale) {
  const { min, max, step } = scale;
  const leap = Math.max(step, Math.round((max - min) / 10 / step) * step);
  const steps = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, PageUp: leap, PageDown: -leap };
  if (key === "Home") return min;
  if (key === "End") return max;
  return key in steps ? within(position + steps[key], scale) : undefined;
}

export class Slide {
  /** @param {(x: number) => void} move Called with each place that the finger means. */
  constructor(move) {
    this.move = move;
    /** @type {"none"|"unsure"|"ours"} */
    this.state = "none";
  }

  /** @param {{clientX: number, clientY: number}} at @param {boolean} [sure] A mouse scrolls nothing. */
  begin(at, sure = false) {
    this.from = at;
    this.state = sure ? "ours" : "unsure";
    if (sure) this.move(at.clientX);
  }

  /** @param {{clientX: number, clientY: number}} at @returns {boolean} Whether it is the slider that is moved. */
  go(at) {
    const [x, y] = [Math.abs(at.clientX - this.from.clientX), Math.abs(at.clientY - this.from.clientY)];
    if (this.state === "unsure" && Math.max(x, y) > TREMBLE_PX) this.state = x > y ? "ours" : "none";
    if (this.state !== "ours") return false;
    this.move(at.clientX);
    return true;
  }

  /** @param {{clientX: number, clientY: number}} [at] Nowhere: it was taken away, by a scroll say. */
  end(at) {
    if (this.state === "unsure" && at) this.move(at.clientX);
    this.state = "none";
  }
}
