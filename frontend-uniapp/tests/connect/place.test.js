import { describe, expect, it } from "vitest";

import { FRESH_MS, Place, SureSocket } from "../../src/connect/place.js";
import { FakeComputer, FakeNetwork, FakeTime, settle } from "./fakes.js";

const BASE = "http://10.42.0.1:8000";

function made(there, id = "c-1") {
  const time = new FakeTime();
  const net = new FakeNetwork(there ? { [BASE]: there } : {}, time);
  return { net, time, place: new Place({ base: BASE, id, ask: net.ask, clock: time.clock }) };
}

describe("Place", () => {
  it("looks once for all who ask, and again after a while", async () => {
    const pc = new FakeComputer();
    const { place, time } = made(pc);
    expect(await Promise.all([place.sure(), place.sure()])).toEqual([true, true]);
    expect(await place.sure()).toBe(true);
    expect(pc.asked).toHaveLength(1);
    await time.pass(FRESH_MS);
    await place.sure();
    expect(pc.asked).toHaveLength(2);
  });

  it("is not sure of another computer, nor of silence", async () => {
    const { place, net, time } = made(new FakeComputer({ id: "c-2" }));
    expect([await place.sure(), place.strange]).toEqual([false, true]);
    delete net.places[BASE];
    const asking = place.sure();
    await time.pass(10_000);
    expect(await asking).toBe(false);
    net.places[BASE] = new FakeComputer();
    expect([await place.sure(), place.strange]).toEqual([true, false]);
  });

  it("looks again when there is a reason to doubt", async () => {
    const { place, net } = made(new FakeComputer());
    await place.sure();
    net.places[BASE] = new FakeComputer({ id: "c-2" });
    place.doubt();
    expect(await place.sure()).toBe(false);
  });

  it("tells whenever the computer was there, with the name that it has by then", async () => {
    const pc = new FakeComputer();
    const { place, net } = made(pc);
    const names = [];
    place.onSeen = () => names.push(place.host);
    await place.sure();
    pc.host = "pc.local";
    place.doubt();
    await place.sure();
    net.places[BASE] = new FakeComputer({ id: "c-2", host: "other.local" });
    place.doubt();
    await place.sure();
    expect(names).toEqual(["", "pc.local"]);
  });

  it("goes to another address, also in the middle of a look", async () => {
    const { place, net, time } = made(null);
    const looking = place.sure();
    net.places["http://192.168.1.7:8000"] = new FakeComputer();
    place.moveTo("http://192.168.1.7:8000");
    expect(await place.sure()).toBe(true);
    await time.pass(10_000);
    expect(await looking).toBe(true);
  });

  it("takes whoever answers first where no computer is known", async () => {
    const { place, net } = made(new FakeComputer({ id: "c-9" }), "");
    expect([await place.sure(), place.id]).toEqual([true, "c-9"]);
    net.places[BASE] = new FakeComputer({ id: "c-2" });
    place.doubt();
    expect(await place.sure()).toBe(false);
  });
});

class FakeSocket {
  sent = [];
  send(text) {
    this.sent.push(text);
  }
  close() {
    this.closed = true;
  }
}

describe("SureSocket", () => {
  function opened(isSure) {
    const inner = new FakeSocket();
    const events = [];
    let opens = 0;
    const open = () => {
      opens += 1;
      return inner;
    };
    const socket = new SureSocket(() => isSure, open);
    socket.onopen = () => events.push("open");
    socket.onmessage = ({ data }) => events.push(data);
    socket.onclose = (event) => events.push(`close ${event?.code ?? ""}`);
    socket.onended = (code) => events.push(`ended ${code}`);
    return { socket, inner, events, opens: () => opens };
  }

  it("opens when the place is sure, and is then the socket itself", async () => {
    const { socket, inner, events } = opened(Promise.resolve(true));
    await settle();
    inner.onopen();
    inner.onmessage({ data: "hello" });
    socket.send("ping");
    inner.onclose({ code: 4401 });
    expect(events).toEqual(["open", "hello", "ended 4401", "close 4401"]);
    expect(inner.sent).toEqual(["ping"]);
  });

  it("opens nothing where it is not", async () => {
    const { events, opens } = opened(Promise.resolve(false));
    await settle();
    expect([events, opens()]).toEqual([["ended 0", "close "], 0]);
  });

  it("opens nothing after it was closed", async () => {
    let tell;
    const { socket, events, opens } = opened(new Promise((resolve) => (tell = resolve)));
    socket.close();
    tell(true);
    await settle();
    expect([events, opens()]).toEqual([["ended 0"], 0]);
  });
});
