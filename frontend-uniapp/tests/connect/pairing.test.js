import { describe, expect, it } from "vitest";

import { isWholeCode, pair, plainCode, shownCode, whoAmI } from "../../src/connect/pairing.js";
import { FakeComputer, FakeNetwork, FakeTime } from "./fakes.js";

const BASE = "http://192.168.1.7:8000";

function around(there) {
  const time = new FakeTime();
  return { ...new FakeNetwork(there ? { [BASE]: there } : {}, time), time };
}

describe("a code", () => {
  it.each([
    ["7kq2m9xf", "7KQ2-M9XF"],
    [" 7KQ2 - M9XF ", "7KQ2-M9XF"],
    ["７ｋｑ２－Ｍ９ＸＦ", "7KQ2-M9XF"],
    ["oilO-1234", "0110-1234"],
    ["7KQ2", "7KQ2"],
    ["7KQ2-", "7KQ2"],
    ["7KQ2-M", "7KQ2-M"],
    ["7KQ2-M9XF-more", "7KQ2-M9XF"],
    ["", ""],
  ])("%s is shown as %s", (typed, shown) => expect(shownCode(typed)).toBe(shown));

  it("is whole with eight characters", () => {
    expect([isWholeCode("7KQ2-M9X"), isWholeCode("7KQ2-M9XF")]).toEqual([false, true]);
    expect(plainCode("7kq2-m9xf")).toBe("7KQ2M9XF");
  });
});

describe("pair", () => {
  it("gets a token once", async () => {
    const computer = new FakeComputer({ codes: { "7KQ2-M9XF": "ann" } });
    const asked = { base: BASE, code: "7kq2 m9xf", name: " Ann's phone " };
    expect(await pair(asked, around(computer))).toEqual({ kind: "paired", token: "t-ann", owner: "ann", device: "d-ann" });
    expect(await pair(asked, around(computer))).toEqual({ kind: "refused" });
  });

  it("says when it may be tried again", async () => {
    const computer = new FakeComputer();
    computer.wait = 6;
    expect(await pair({ base: BASE, code: "x", name: "" }, around(computer))).toEqual({ kind: "wait", seconds: 6 });
  });

  it("tells silence and faults from refusals", async () => {
    const silent = around(null);
    const asking = pair({ base: BASE, code: "x", name: "" }, silent);
    await silent.time.pass(20_000);
    expect(await asking).toEqual({ kind: "away" });
    expect(await pair({ base: BASE, code: "x", name: "" }, around({ status: 500, text: "<html>" }))).toEqual({ kind: "failed", message: "", status: 500 });
    expect(await pair({ base: BASE, code: "x", name: "" }, around({ status: 200, text: "<html>" }))).toMatchObject({ kind: "failed" });
  });
});

describe("whoAmI", () => {
  it("says whether the computer knows this phone", async () => {
    const computer = new FakeComputer({ tokens: { t: "ann" } });
    expect(await whoAmI({ base: BASE, token: "t" }, around(computer))).toEqual({ kind: "known", owner: "ann", device: "d-ann", open: false });
    expect(await whoAmI({ base: BASE, token: "" }, around(computer))).toEqual({ kind: "unpaired" });
    expect(await whoAmI({ base: BASE, token: "" }, around(new FakeComputer({ open: true })))).toMatchObject({ kind: "known", open: true });
  });
});
