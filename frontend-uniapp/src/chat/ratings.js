/**
 * What the person thinks of answers: shown at once, stored in the order in which it was said, and shown as the computer has it where that
 * fails. What the computer said of an answer before it had heard of a thumb takes none back.
 *
 * @module
 */

/**
 * @typedef {object} Underway What was said of one answer, until all of it is stored or refused.
 * @property {{rating: 1|-1|0, comment: string}} has What the computer has.
 * @property {number} waiting So many are on their way.
 * @property {Promise<unknown>} last The one that goes last.
 */

export class Ratings {
  /** @type {Map<string, Underway>} */
  #underway = new Map();

  /** @param {{session: import("./session.js").Session, api: import("./api.js").Api}} around */
  constructor({ session, api }) {
    Object.assign(this, { session, api });
  }

  /**
   * @param {string} message @param {1|-1|0} rating 0 takes it back. @param {string} comment
   * @throws {import("./api.js").ApiError} It could not be stored.
   */
  async rate(message, rating, comment) {
    const { rating: before, comment: said } = this.session.state.messages[message];
    const one = this.#underway.get(message) ?? { has: { rating: before, comment: said }, waiting: 0, last: Promise.resolve() };
    this.#underway.set(message, one);
    one.waiting += 1;
    this.session.rated(message, rating, comment);
    const store = () => this.#store(message, rating, comment);
    one.last = one.last.then(store, store);
    try {
      await one.last;
      one.has = { rating, comment };
    } finally {
      one.waiting -= 1;
      if (!one.waiting) {
        this.#underway.delete(message);
        this.session.rated(message, one.has.rating, one.has.comment, true);
      }
    }
  }

  #store(message, rating, comment) {
    const route = `messages/${message}/feedback`;
    return rating ? this.api.put(route, { rating, comment }) : this.api.delete(route);
  }
}
