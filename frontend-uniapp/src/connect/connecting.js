/**
 * The way from an address, a code or a remembered computer to one that is open: asks, pairs, waits while the model loads, and says where it stands.
 *
 * @module
 */

import { check, isOurs } from "./check.js";
import { findAgain } from "./find.js";
import { pair, whoAmI } from "./pairing.js";

export const POLL_MS = 1_000;
/** What may pass by itself is asked for again after so long. */
export const AGAIN_MS = 5_000;
const PASSING = new Set(["offline", "unreachable", "broken", "failed", "lost"]);

/** @typedef {import("./check.js").Outcome} Outcome */
/** @typedef {{bases: string[], code?: string, known?: import("./servers.js").Known}} Target What is wanted. `known`: by its id, wherever it is now. */
/** @typedef {{kind: "lost", base: string, strange: boolean, known: import("./servers.js").Known}} LostOutcome None of its addresses has it. `strange`: another computer answered at one. */
/** @typedef {{kind: "refused"|"wait"|"failed", seconds?: number, message?: string, status?: number}} Refusal Why a code did not work. */

/**
 * @typedef {{step: "idle"}
 *   | {step: "asking", base: string}
 *   | {step: "finding", known: import("./servers.js").Known}
 *   | {step: "code", base: string, who: import("./check.js").Who, refusal: Refusal|null, busy: boolean, before: boolean}
 *   | {step: "loading", outcome: import("./check.js").Loading, known: import("./servers.js").Known}
 *   | {step: "problem", outcome: Outcome|LostOutcome, known: import("./servers.js").Known|null, busy: boolean}
 *   | {step: "done", known: import("./servers.js").Known}} State
 * `before`: this phone was paired there once.
 */

/**
 * @typedef {object} Around
 * @property {import("./check.js").Ask} ask
 * @property {() => Promise<import("./check.js").Network>} network
 * @property {import("./servers.js").Servers} servers
 * @property {{set(call: () => void, ms: number): any, clear(timer: any): void}} timers
 * @property {() => number} clock
 * @property {() => string} phone What this phone is called.
 * @property {(state: State) => void} onChange
 */

export class Connecting {
  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    /** @type {State} */
    this.state = { step: "idle" };
    /** @type {Target|null} */
    this.target = null;
    /** Counts what was begun: the answers to what was given up are for nobody. */
    this.turn = 0;
    this.timer = null;
  }

  /** Go to one of these addresses. @param {Target} target */
  async connect(target) {
    const turn = this.#begin(target);
    this.#show({ step: "asking", base: target.bases[0] });
    await this.#try(turn);
  }

  /** Go to a computer that is remembered, wherever it is now. @param {import("./servers.js").Known} known */
  async open(known) {
    const turn = this.#begin({ bases: known.bases, known });
    this.#show({ step: "finding", known });
    await this.#try(turn);
  }

  /** The same once more, at once; what is said stays until there is an answer. */
  async again() {
    if (!this.target) return;
    const turn = this.#begin(this.target);
    if (this.state.step === "problem") this.#show({ ...this.state, busy: true });
    await this.#try(turn);
  }

  /** The person has typed the code that the computer shows. @param {string} code */
  async enter(code) {
    if (this.state.step !== "code") return;
    const { base, who } = this.state;
    const turn = this.#begin({ ...this.target, bases: [base], code });
    this.#show({ ...this.state, refusal: null, busy: true });
    await this.#pair(turn, who, code);
  }

  /** Nothing is wanted any more. */
  cancel() {
    this.#begin(null);
    this.#show({ step: "idle" });
  }

  // --- one attempt --------------------------------------------------------------------------------------------------------------

  async #try(turn) {
    const { known, bases } = this.target;
    if (known) {
      const found = await findAgain(known, this.around);
      if (this.#isOver(turn)) return;
      if (found.kind === "lost") return this.#lost(turn, known, found);
      return this.#reached(turn, await check(found.base, this.around));
    }
    return this.#reached(turn, await this.#bestOf(turn, bases));
  }

  /** The first address where a computer of ours is; else what the first one said, or the second where that tells more. */
  async #bestOf(turn, bases) {
    const outcomes = [];
    for (const base of bases) {
      const outcome = await check(base, this.around);
      if (this.#isOver(turn) || (outcome.kind !== "unreachable" && outcome.kind !== "other")) return outcome;
      outcomes.push(outcome);
    }
    return outcomes[0];
  }

  async #lost(turn, known, { strangers }) {
    const first = await check(known.bases[0], this.around);
    if (this.#isOver(turn)) return;
    const isOther = isOurs(first) && first.computer !== known.id;
    if (isOther || first.kind === "unreachable") {
      return this.#problem({ kind: "lost", base: known.bases[0], strange: isOther || strangers.length > 0, known }, known);
    }
    return this.#reached(turn, first);
  }

  async #reached(turn, outcome) {
    if (this.#isOver(turn)) return;
    if (!isOurs(outcome)) return this.#problem(outcome, this.target.known ?? null);
    const known = this.around.servers.find(outcome.computer);
    const me = await whoAmI({ base: outcome.base, token: known?.token ?? "" }, this.around);
    if (this.#isOver(turn)) return;
    if (me.kind === "known") return this.#in(turn, outcome, { owner: me.owner, device: me.device });
    if (me.kind === "unpaired") {
      if (known?.token) this.around.servers.unpaired(known.id);
      if (this.target.code) return this.#pair(turn, outcome, this.target.code);
      return this.#askForCode(outcome, null);
    }
    return this.#problem({ kind: "unreachable", base: outcome.base, quick: false, cellular: false, loopback: false }, known);
  }

  async #pair(turn, who, code) {
    const answer = await pair({ base: who.base, code, name: this.around.phone() }, this.around);
    if (this.#isOver(turn)) return;
    // It is used up, whatever comes now.
    this.target = { ...this.target, code: "" };
    if (answer.kind === "away") return this.#problem({ kind: "unreachable", base: who.base, quick: false, cellular: false, loopback: false }, null);
    if (answer.kind !== "paired") return this.#askForCode(who, answer);
    const { token, owner, device } = answer;
    this.#remember(who, { token, owner, device });
    return this.#reached(turn, await check(who.base, this.around));
  }

  #askForCode(who, refusal) {
    const before = Boolean(this.around.servers.find(who.computer)?.owner);
    this.#show({ step: "code", base: who.base, who, refusal, busy: false, before });
  }

  /** It knows this phone. */
  #in(turn, outcome, person) {
    const known = this.#remember(outcome, person);
    if (outcome.kind === "loading") {
      this.#show({ step: "loading", outcome, known });
      return this.#later(POLL_MS, () => this.#poll(turn, known));
    }
    if (outcome.kind === "failed") return this.#problem(outcome, known);
    return this.#show({ step: "done", known });
  }

  async #poll(turn, known) {
    const outcome = await check(known.bases[0], this.around);
    if (this.#isOver(turn)) return;
    const isSame = isOurs(outcome) && outcome.computer === known.id;
    if (!isSame) return this.#problem(outcome, known);
    return this.#in(turn, outcome, {});
  }

  #remember({ computer, base, host }, person) {
    return this.around.servers.met({ id: computer, base, host, ...person });
  }

  // --- where it stands ----------------------------------------------------------------------------------------------------------

  #problem(outcome, known) {
    this.#show({ step: "problem", outcome, known, busy: false });
    if (PASSING.has(outcome.kind)) this.#later(AGAIN_MS, () => this.again());
  }

  #begin(target) {
    this.target = target;
    this.around.timers.clear(this.timer);
    this.turn += 1;
    return this.turn;
  }

  #isOver(turn) {
    return turn !== this.turn;
  }

  #later(ms, call) {
    this.around.timers.clear(this.timer);
    this.timer = this.around.timers.set(call, ms);
  }

  #show(state) {
    this.state = state;
    this.around.onChange(state);
  }
}
