import { describe, expect, it } from "vitest";

import { VERSION } from "../../src/chat/protocol.js";
import { check, isOurs, whoIs } from "../../src/connect/check.js";
import { FakeComputer, FakeNetwork, FakeTime } from "./fakes.js";

const BASE = "http://192.168.1.7:8000";

async function outcome(there, { kind = "wifi", base = BASE, refusing = false } = {}) {
  const time = new FakeTime();
  const net = new FakeNetwork(there ? { [base]: there } : {}, time);
  net.kind = kind;
  if (refusing) net.refusing.add(base);
  const checking = check(base, { ask: net.ask, clock: time.clock, network: net.network });
  await time.pass(20_000);
  return checking;
}

describe("check", () => {
  it("tells a model that answers from one that loads and one that failed", async () => {
    expect(await outcome(new FakeComputer({ host: "pc.local" }))).toMatchObject({ kind: "ready", computer: "c-1", host: "pc.local", base: BASE });
    const loading = new FakeComputer({ status: "loading" });
    loading.progress = 0.4;
    expect(await outcome(loading)).toMatchObject({ kind: "loading", step: "weights", progress: 0.4 });
    loading.progress = null;
    expect(await outcome(loading)).toMatchObject({ progress: null });
    expect(await outcome(new FakeComputer({ status: "failed" }))).toMatchObject({ kind: "failed" });
  });

  it("knows which of two programs is older", async () => {
    expect(await outcome(new FakeComputer({ protocol: VERSION + 1 }))).toMatchObject({ kind: "newer", protocol: VERSION + 1 });
    expect(await outcome(new FakeComputer({ protocol: VERSION - 1 }))).toMatchObject({ kind: "older" });
    expect(await outcome(new FakeComputer({ id: "" }))).toMatchObject({ kind: "older" });
  });

  it("knows what is no server of ours", async () => {
    for (const there of [
      { status: 200, text: "<html>router</html>" },
      { status: 404, text: "Not found" },
      { status: 200, text: '{"status": "ready"}' },
      { status: 200, text: "null" },
      { status: 302, text: "" },
    ]) {
      expect(await outcome(there)).toEqual({ kind: "other", base: BASE, status: there.status });
    }
  });

  it("understands the server's own plain sentences", async () => {
    expect(await outcome({ status: 400, text: "This server is not called pc.lan. Open it…" })).toMatchObject({ kind: "misnamed" });
    const broken = await outcome({ status: 503, text: "The server could not start: the data folder is in use\n" });
    expect(broken).toMatchObject({ kind: "broken", why: "the data folder is in use" });
  });

  it("tells silence from a refusal, and says what network the phone is in", async () => {
    expect(await outcome(null)).toEqual({ kind: "unreachable", base: BASE, quick: false, cellular: false, loopback: false });
    expect(await outcome(null, { refusing: true })).toMatchObject({ kind: "unreachable", quick: true });
    expect(await outcome(null, { kind: "cellular" })).toMatchObject({ kind: "unreachable", cellular: true });
    expect(await outcome(null, { kind: "none" })).toEqual({ kind: "offline", base: BASE });
    expect(await outcome(null, { kind: "none", base: "http://127.0.0.1:8000", refusing: true })).toMatchObject({ kind: "unreachable", loopback: true });
  });

  it("says with which one can go on", async () => {
    expect(isOurs(await outcome(new FakeComputer()))).toBe(true);
    expect(isOurs(await outcome(new FakeComputer({ status: "failed" })))).toBe(true);
    expect(isOurs(await outcome(new FakeComputer({ protocol: 99 })))).toBe(false);
    expect(isOurs(await outcome(null))).toBe(false);
  });
});

describe("whoIs", () => {
  it("asks without the model", async () => {
    const computer = new FakeComputer({ status: "failed" });
    const net = new FakeNetwork({ [BASE]: computer }, new FakeTime());
    expect(await whoIs(BASE, net)).toMatchObject({ computer: "c-1" });
    expect(computer.asked).toEqual(["GET /healthz?who"]);
    net.places[BASE] = { status: 200, text: "router" };
    expect(await whoIs(BASE, net)).toBeNull();
  });
});
