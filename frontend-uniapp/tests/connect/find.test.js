import { describe, expect, it } from "vitest";

import { FIND_MS, findAgain, placesOf } from "../../src/connect/find.js";
import { FakeComputer, FakeNetwork, FakeTime } from "./fakes.js";

const HOTSPOT = "http://10.42.0.1:8000";
const HOME = "http://192.168.1.7:8000";
const NAME = "http://pc.local:8000";
const known = { id: "c-1", host: "pc.local", bases: [HOTSPOT, HOME], token: "secret" };

async function find(places, { one = known, within = 10_000 } = {}) {
  const time = new FakeTime();
  const net = new FakeNetwork(places, time);
  const finding = findAgain(one, { ask: net.ask, timers: time.timers });
  let result = null;
  finding.then((found) => (result = found));
  await time.pass(within);
  return result;
}

describe("findAgain", () => {
  it("asks the last address first, then the name, then earlier addresses", () => {
    expect(placesOf(known)).toEqual([HOTSPOT, NAME, HOME]);
    expect(placesOf({ ...known, host: "" })).toEqual([HOTSPOT, HOME]);
    expect(placesOf({ ...known, bases: [NAME, HOME] })).toEqual([NAME, HOME]);
  });

  it("takes the first that says that it is the same computer", async () => {
    const pc = new FakeComputer();
    expect(await find({ [HOTSPOT]: pc, [HOME]: pc }, { within: 100 })).toMatchObject({ kind: "found", base: HOTSPOT });
    expect(await find({ [NAME]: pc }, { within: 1000 })).toMatchObject({ kind: "found", base: NAME });
    expect(await find({ [HOME]: pc }, { within: 1000 })).toMatchObject({ kind: "found", base: HOME });
  });

  it("does not take another computer, and shows it nothing", async () => {
    const other = new FakeComputer({ id: "c-2" });
    expect(await find({ [HOTSPOT]: other })).toEqual({ kind: "lost", asked: [HOTSPOT, NAME, HOME], strangers: [HOTSPOT] });
    expect(other.shown).toEqual([]);
    expect(await find({ [HOTSPOT]: other, [HOME]: new FakeComputer() })).toMatchObject({ kind: "found", base: HOME });
  });

  it("ends in time when nobody answers", async () => {
    expect(await find({}, { within: FIND_MS - 1 })).toBeNull();
    expect(await find({}, { within: FIND_MS + 1000 })).toEqual({ kind: "lost", asked: [HOTSPOT, NAME, HOME], strangers: [] });
  });

  it("asks nobody after it has found it", async () => {
    const pc = new FakeComputer();
    await find({ [HOTSPOT]: pc, [HOME]: pc });
    expect(pc.asked).toEqual(["GET /healthz?who"]);
  });
});
