import { describe, expect, it } from "vitest";

import { AGAIN_MS, Connecting, POLL_MS } from "../../src/connect/connecting.js";
import { Servers } from "../../src/connect/servers.js";
import { FakeComputer, FakeNetwork, FakeStorage, FakeTime } from "./fakes.js";

const BASE = "http://192.168.1.7:8000";
const OTHER = "http://10.42.0.1:8000";

function made(places = {}) {
  const time = new FakeTime();
  const net = new FakeNetwork(places, time);
  const servers = new Servers(new FakeStorage(), () => (time.now += 1));
  const steps = [];
  const connecting = new Connecting({
    ask: net.ask,
    network: net.network,
    servers,
    timers: time.timers,
    clock: time.clock,
    phone: () => "Ann's phone",
    onChange: ({ step }) => steps.push(step),
  });
  return { connecting, net, time, servers, steps };
}

describe("Connecting", () => {
  it("pairs with the code of a QR and is in", async () => {
    const pc = new FakeComputer({ codes: { "7KQ2-M9XF": "ann" } });
    const { connecting, time, servers, steps } = made({ [BASE]: pc });
    connecting.connect({ bases: [BASE], code: "7KQ2-M9XF" });
    await time.pass(100);
    expect(steps).toEqual(["asking", "done"]);
    expect(servers.last()).toMatchObject({ id: "c-1", token: "t-ann", owner: "ann", bases: [BASE] });
  });

  it("does not spend a code where the phone is paired already", async () => {
    const pc = new FakeComputer({ tokens: { t: "ann" }, codes: { "7KQ2-M9XF": "bob" } });
    const { connecting, time, servers } = made({ [BASE]: pc });
    servers.met({ id: "c-1", base: OTHER, token: "t", owner: "ann" });
    connecting.connect({ bases: [BASE], code: "7KQ2-M9XF" });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "done", known: { owner: "ann", bases: [BASE, OTHER] } });
    expect(pc.codes).toHaveProperty("7KQ2-M9XF");
  });

  it("asks for a code, says why one did not work, and takes the next", async () => {
    const pc = new FakeComputer({ codes: { "7KQ2-M9XF": "ann" } });
    const { connecting, time } = made({ [BASE]: pc });
    connecting.connect({ bases: [BASE] });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "code", refusal: null, before: false });
    connecting.enter("AAAA-AAAA");
    expect(connecting.state).toMatchObject({ step: "code", busy: true });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "code", refusal: { kind: "refused" }, busy: false });
    pc.wait = 6;
    connecting.enter("AAAA-AAAA");
    await time.pass(100);
    expect(connecting.state).toMatchObject({ refusal: { kind: "wait", seconds: 6 } });
    pc.wait = 0;
    connecting.enter("7kq2m9xf");
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "done", known: { token: "t-ann" } });
  });

  it("needs no code where everybody may", async () => {
    const { connecting, time } = made({ [BASE]: new FakeComputer({ open: true }) });
    connecting.connect({ bases: [BASE] });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "done", known: { token: "", owner: "everybody" } });
  });

  it("forgets a token that is worth nothing, and asks for a code", async () => {
    const pc = new FakeComputer();
    const { connecting, time, servers } = made({ [BASE]: pc });
    const known = servers.met({ id: "c-1", base: BASE, token: "old", owner: "ann" });
    connecting.open(known);
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "code", before: true });
    expect(servers.last()).toMatchObject({ token: "", owner: "ann" });
  });

  it("pairs while the model loads, shows how far it is, and goes on by itself", async () => {
    const pc = new FakeComputer({ status: "loading", codes: { "7KQ2-M9XF": "ann" } });
    const { connecting, time } = made({ [BASE]: pc });
    connecting.connect({ bases: [BASE], code: "7KQ2-M9XF" });
    await time.pass(POLL_MS / 2);
    expect(connecting.state).toMatchObject({ step: "loading", outcome: { progress: 0 }, known: { token: "t-ann" } });
    pc.progress = 0.5;
    await time.pass(POLL_MS);
    expect(connecting.state).toMatchObject({ step: "loading", outcome: { progress: 0.5 } });
    pc.status = "ready";
    await time.pass(POLL_MS);
    expect(connecting.state.step).toBe("done");
  });

  it("says that the model failed, and knows the computer nevertheless", async () => {
    const pc = new FakeComputer({ status: "failed", open: true });
    const { connecting, time } = made({ [BASE]: pc });
    connecting.connect({ bases: [BASE] });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "problem", outcome: { kind: "failed" }, known: { id: "c-1" } });
    pc.status = "ready";
    await time.pass(AGAIN_MS + 100);
    expect(connecting.state.step).toBe("done");
  });

  it("tries again by itself where that helps, and when it is asked to", async () => {
    const { connecting, time, net } = made();
    net.refusing.add(BASE);
    connecting.connect({ bases: [BASE] });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "problem", outcome: { kind: "unreachable", quick: true } });
    net.places[BASE] = new FakeComputer({ open: true });
    await time.pass(AGAIN_MS);
    expect(connecting.state.step).toBe("done");

    net.places[BASE] = { status: 200, text: "router" };
    connecting.connect({ bases: [BASE] });
    await time.pass(10 * AGAIN_MS);
    expect(connecting.state).toMatchObject({ step: "problem", outcome: { kind: "other" } });
    net.places[BASE] = new FakeComputer({ open: true });
    connecting.again();
    expect(connecting.state).toMatchObject({ step: "problem", busy: true });
    await time.pass(100);
    expect(connecting.state.step).toBe("done");
  });

  it("tries the second address where the first is none of ours", async () => {
    const { connecting, time } = made({ "http://192.168.1.7": { status: 200, text: "router" }, [BASE]: new FakeComputer({ open: true }) });
    connecting.connect({ bases: ["http://192.168.1.7", BASE] });
    await time.pass(100);
    expect(connecting.state).toMatchObject({ step: "done", known: { bases: [BASE] } });
  });

  it("finds a remembered computer at an earlier address and shows its token to no other", async () => {
    const pc = new FakeComputer({ tokens: { t: "ann" } });
    const stranger = new FakeComputer({ id: "c-2" });
    const { connecting, time, servers } = made({ [OTHER]: pc, [BASE]: stranger });
    servers.met({ id: "c-1", base: OTHER, token: "t", owner: "ann" });
    const known = servers.met({ id: "c-1", base: BASE });
    connecting.open(known);
    await time.pass(1000);
    expect(connecting.state).toMatchObject({ step: "done", known: { bases: [OTHER, BASE] } });
    expect(stranger.shown).toEqual([]);
  });

  it("says that another computer has the address", async () => {
    const stranger = new FakeComputer({ id: "c-2", open: true });
    const { connecting, time, servers } = made({ [BASE]: stranger });
    connecting.open(servers.met({ id: "c-1", base: BASE, token: "t", owner: "ann" }));
    await time.pass(1000);
    expect(connecting.state).toMatchObject({ step: "problem", outcome: { kind: "lost", strange: true } });
    expect(stranger.shown).toEqual([]);
    expect(servers.list()).toHaveLength(1);
  });

  it("says more where there is more to say of a computer that is not found", async () => {
    const { connecting, time, servers, net } = made({ [BASE]: { status: 200, text: "router" } });
    const known = servers.met({ id: "c-1", base: BASE, token: "t", owner: "ann" });
    connecting.open(known);
    await time.pass(20_000);
    expect(connecting.state).toMatchObject({ outcome: { kind: "other" }, known: { id: "c-1" } });
    delete net.places[BASE];
    net.kind = "none";
    connecting.open(known);
    await time.pass(16_000);
    expect(connecting.state).toMatchObject({ outcome: { kind: "offline" } });
  });

  it("hears nothing more of what was given up", async () => {
    const { connecting, time, steps } = made({ [OTHER]: new FakeComputer({ open: true }) });
    connecting.connect({ bases: [BASE] });
    connecting.connect({ bases: [OTHER] });
    await time.pass(100);
    expect(connecting.state.step).toBe("done");
    connecting.cancel();
    await time.pass(60_000);
    expect(steps).toEqual(["asking", "asking", "done", "idle"]);
  });
});
