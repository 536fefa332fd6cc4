import { describe, expect, it } from "vitest";

import { hostOf, isLoopback, parseAddress, portOf, shownBase, withHost } from "../../src/connect/address.js";

const first = (text) => {
  const address = parseAddress(text);
  return address.ok ? address.bases[0] : `no: ${address.why}`;
};

describe("parseAddress", () => {
  it.each([
    ["192.168.1.7", "http://192.168.1.7:8000"],
    ["  192.168.1.7:8000 ", "http://192.168.1.7:8000"],
    ["192.168.1.7:9000/", "http://192.168.1.7:9000"],
    ["192.168.1.7:", "http://192.168.1.7:8000"],
    ["192.168.001.007", "http://192.168.1.7:8000"],
    ["http://192.168.1.7:8000/", "http://192.168.1.7:8000"],
    ["HTTP://192.168.1.7:8000/m/#/pages/chat/chat", "http://192.168.1.7:8000"],
    ["http:/192.168.1.7:8000", "http://192.168.1.7:8000"],
    ["http://192.168.1.7", "http://192.168.1.7"],
    ["https://chat.example", "https://chat.example"],
    ["ws://192.168.1.7:8000/ws/chat/", "http://192.168.1.7:8000"],
    ["my-pc.local", "http://my-pc.local:8000"],
    ["My-PC.local.:8000", "http://my-pc.local:8000"],
    ["mypc", "http://mypc:8000"],
    ["[fd77::1]:8000", "http://[fd77::1]:8000"],
    ["http://[FD77::1]/pair/", "http://[fd77::1]"],
    ["fd77::1", "http://[fd77::1]:8000"],
    ["１９２．１６８．１．７：８０００", "http://192.168.1.7:8000"],
    ["192。168。1。7：8000", "http://192.168.1.7:8000"],
    ["http：／／192.168.1.7：8000／pair／", "http://192.168.1.7:8000"],
    ["192.168. 1.7 : 8000", "http://192.168.1.7:8000"],
    ["\u200b192.168.1.7\ufeff", "http://192.168.1.7:8000"],
    ["电脑.local", "http://电脑.local:8000"],
  ])("%s is %s", (text, base) => expect(first(text)).toBe(base));

  it.each([
    ["", "empty"],
    ["   ", "empty"],
    ["192.168.1", "number"],
    ["192.168.1.700", "number"],
    ["192.168.1.7.9", "number"],
    ["fd77:::1", "number"],
    ["[fd77::1", "number"],
    ["192.168.1.7:80000", "port"],
    ["192.168.1.7:abc", "port"],
    ["192.168.1.7:0", "port"],
    ["WIFI:T:WPA;S:home;P:secret;;", "wifi"],
    ["7KQ2-M9XF", "code"],
    ["7kq2－m9xf", "code"],
    ["weixin://dl/business", "text"],
    ["mailto:somebody@example.org", "text"],
    ["http://user@192.168.1.7", "text"],
    ["hello, world", "text"],
    ["http://", "text"],
    ["<script>", "text"],
  ])("%s is none: %s", (text, why) => expect(first(text)).toBe(`no: ${why}`));

  it("finds the code of a QR", () => {
    expect(parseAddress("http://192.168.1.7:8000/pair/?code=7KQ2-M9XF")).toEqual({ ok: true, bases: ["http://192.168.1.7:8000"], code: "7KQ2-M9XF" });
    expect(parseAddress("http://192.168.1.7:8000/pair/?for=x&code=7KQ2%2DM9XF#top").code).toBe("7KQ2-M9XF");
    expect(parseAddress("http://192.168.1.7:8000/pair/?code=%E0%A4%A").code).toBe("");
  });

  it("asks at the usual ports where none was said", () => {
    expect(parseAddress("192.168.1.7").bases).toEqual(["http://192.168.1.7:8000", "http://192.168.1.7"]);
    expect(parseAddress("http://192.168.1.7/").bases).toEqual(["http://192.168.1.7", "http://192.168.1.7:8000"]);
    expect(parseAddress("chat.example").bases).toEqual(["http://chat.example:8000", "https://chat.example"]);
    expect(parseAddress("192.168.1.7:80").bases).toEqual(["http://192.168.1.7"]);
  });

  it("says what came, not all of it", () => {
    expect(parseAddress("hello, world")).toMatchObject({ got: "hello, world" });
    expect(parseAddress(`hello, ${"x".repeat(500)}`).got.length).toBeLessThan(70);
    expect(parseAddress(undefined)).toMatchObject({ ok: false, why: "empty" });
  });

  it("never fails and gives only what it can read again", () => {
    const pieces = ["192", ".", ":", "[", "]", "/", "http", "::", "fe80", "%", "?code=", "#", " ", "８", "。", "local", "-", "@", "\u0000"];
    let seed = 7;
    const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648);
    for (let round = 0; round < 5000; round += 1) {
      const text = Array.from({ length: (next() >> 8) % 9 }, () => pieces[(next() >> 8) % pieces.length]).join("");
      const address = parseAddress(text);
      for (const base of address.ok ? address.bases : []) {
        expect(parseAddress(base)).toMatchObject({ ok: true });
        expect(parseAddress(base).bases[0]).toBe(base);
        expect(hostOf(base)).not.toBe("");
      }
    }
  });
});

describe("parts of a base", () => {
  it("has a host and a port", () => {
    expect([hostOf("http://[fd77::1]:8000"), portOf("http://[fd77::1]:8000")]).toEqual(["[fd77::1]", 8000]);
    expect([hostOf("https://chat.example"), portOf("https://chat.example")]).toEqual(["chat.example", 443]);
    expect(portOf("http://192.168.1.7")).toBe(80);
    expect(withHost("http://[fd77::1]:8000", "my-pc.local")).toBe("http://my-pc.local:8000");
    expect(shownBase("http://192.168.1.7:8000")).toBe("192.168.1.7:8000");
    expect([isLoopback("http://127.0.0.1:8000"), isLoopback("http://localhost"), isLoopback("http://192.168.1.7")]).toEqual([true, true, false]);
  });
});
