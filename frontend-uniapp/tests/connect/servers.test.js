import { describe, expect, it } from "vitest";

import { MOST_BASES, nameOf, Servers } from "../../src/connect/servers.js";
import { FakeStorage } from "./fakes.js";

function made() {
  const storage = new FakeStorage();
  let now = 0;
  return { storage, servers: new Servers(storage, () => (now += 1)) };
}
const met = (servers, id, base, more = {}) => servers.met({ id, base, token: `t-${id}`, owner: `o-${id}`, ...more });

describe("Servers", () => {
  it("remembers, the one used last first", () => {
    const { servers, storage } = made();
    met(servers, "a", "http://192.168.1.7:8000");
    met(servers, "b", "http://10.42.0.1:8000");
    met(servers, "a", "http://192.168.1.7:8000");
    expect(new Servers(storage).list().map((one) => one.id)).toEqual(["a", "b"]);
    expect(servers.last().id).toBe("a");
    expect(servers.find("b").token).toBe("t-b");
    expect(servers.find("")).toBeNull();
  });

  it("takes two addresses of one computer for one computer", () => {
    const { servers } = made();
    met(servers, "a", "http://192.168.1.7:8000");
    servers.met({ id: "a", base: "http://10.42.0.1:8000", host: "pc.local" });
    expect(servers.list()).toHaveLength(1);
    expect(servers.last()).toMatchObject({ bases: ["http://10.42.0.1:8000", "http://192.168.1.7:8000"], token: "t-a", owner: "o-a", host: "pc.local" });
  });

  it("keeps a bounded number of addresses, the newest", () => {
    const { servers } = made();
    for (let number = 1; number < 20; number += 1) met(servers, "a", `http://192.168.1.${number}:8000`);
    expect(servers.last().bases).toHaveLength(MOST_BASES);
    expect(servers.last().bases[0]).toBe("http://192.168.1.19:8000");
  });

  it("renames, forgets, and keeps a computer that shut this phone out", () => {
    const { servers } = made();
    met(servers, "a", "http://192.168.1.7:8000", { host: "study.local" });
    expect(nameOf(servers.last())).toBe("study");
    servers.rename("a", "  Kitchen  ");
    expect(nameOf(servers.last())).toBe("Kitchen");
    servers.rename("a", "");
    expect(nameOf(servers.last())).toBe("study");
    servers.unpaired("a");
    expect(servers.last()).toMatchObject({ token: "", owner: "o-a" });
    servers.forget("a");
    expect(servers.last()).toBeNull();
    met(servers, "b", "http://192.168.1.7:8000");
    expect(nameOf(servers.last())).toBe("192.168.1.7:8000");
  });

  it.each(["", "no json", "[]", "null", "7", '{"servers": 3}', '{"servers": [null, 1, {}, {"id": "a"}, {"id": "a", "bases": []}, {"id": 1, "bases": ["http://h"]}]}'])(
    "reads %s as nothing",
    (text) => {
      const { storage, servers } = made();
      storage.setItem("llmsite.servers", text);
      expect(servers.list()).toEqual([]);
    },
  );

  it("keeps what another version of the client stored", () => {
    const { storage, servers } = made();
    storage.setItem("llmsite.servers", JSON.stringify({ version: 9, servers: [{ id: "a", bases: ["http://192.168.1.7:8000", 5], colour: "red", used: "never" }] }));
    expect(servers.last()).toEqual({ id: "a", name: "", host: "", bases: ["http://192.168.1.7:8000"], token: "", owner: "", device: "", used: 0, colour: "red" });
    servers.rename("a", "Kitchen");
    expect(JSON.parse(storage.getItem("llmsite.servers")).servers[0].colour).toBe("red");
  });

  it("goes on where nothing can be stored", () => {
    const { storage, servers } = made();
    storage.setItem = () => {
      throw new Error("full");
    };
    expect(met(servers, "a", "http://192.168.1.7:8000").token).toBe("t-a");
  });
});
