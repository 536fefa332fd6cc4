/**
 * A finger that draws the list in or pushes it away: where the list stands under it, and whether it opens or closes when the finger is lifted.
 *
 * @module
 */

/** What moves so far sideways, and less up or down, is no tap and no scrolling. */
const BEGINS_PX = 12;
/** Faster than this, the direction decides, else the place. */
const FLING_PX_PER_MS = 0.4;

export class Drag {
  /** @type {{x: number, y: number, open: boolean}|null} */
  #from = null;
  #dragging = false;
  #last = { x: 0, time: 0 };
  #speed = 0;

  /** @param {number} width Of the list. */
  constructor(width) {
    this.width = width;
    /** How far the list is out, in pixels; null while nobody drags it. @type {number|null} */
    this.offset = null;
  }

  /** @param {{x: number, y: number}} at @param {number} time @param {boolean} open Whether the list is out. */
  start({ x, y }, time, open) {
    this.#from = { x, y, open };
    this.#dragging = false;
    this.#last = { x, time };
    this.#speed = 0;
    this.offset = null;
  }

  /** @param {{x: number, y: number}} at @param {number} time @returns {number|null} */
  move({ x, y }, time) {
    if (!this.#from) return null;
    const dx = x - this.#from.x;
    const dy = y - this.#from.y;
    if (!this.#dragging) {
      if (Math.abs(dy) > BEGINS_PX) this.#from = null;
      if (Math.abs(dx) < BEGINS_PX || Math.abs(dy) > Math.abs(dx)) return null;
      this.#dragging = true;
    }
    if (time > this.#last.time) this.#speed = (x - this.#last.x) / (time - this.#last.time);
    this.#last = { x, time };
    this.offset = Math.min(this.width, Math.max(0, (this.#from?.open ? this.width : 0) + dx));
    return this.offset;
  }

  /** @returns {boolean|null} Whether it is open from now on; null: nobody dragged it. */
  end() {
    const dragged = this.#dragging && this.offset !== null;
    const open = Math.abs(this.#speed) > FLING_PX_PER_MS ? this.#speed > 0 : (this.offset ?? 0) > this.width / 2;
    this.#from = null;
    this.#dragging = false;
    this.offset = null;
    return dragged ? open : null;
  }
}
