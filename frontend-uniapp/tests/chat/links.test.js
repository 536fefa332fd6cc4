/* eslint-disable no-script-url -- what is refused */

import { describe, expect, test } from "vitest";

import { address, realPlace } from "../../src/chat/links.js";
import { encodeLabel } from "../../src/chat/punycode.js";

/** What browsers make of an address; those that ours refuses, though browsers follow them, only lose their link. */
const SAME = [
  "https://docs.python.org/3/?q=1#a",
  "http://example.com",
  "HTTP://EXAMPLE.com/A b",
  "http://example.com?c=1",
  "http://example.com#x",
  "https://пример.example/путь?ключ=значение#якорь",
  "https://例え.テスト/",
  "https://faß.example/",
  "https://аpple.com/",
  "https://ｇｏｏｇｌｅ.com/",
  "https://user:password@evil.example/",
  "https://google.com@evil.example",
  "http://127.0.0.1:8000/",
  "http://192.168.1.7/x",
  "http://[::1]:8000/a",
  "https://example.com:443/",
  "http://example.com:8080/",
  "https://a.example/%E4%B8%AD?x=%20",
  'https://evil.example/?"onmouseover="alert(1)',
  "https://evil.example/<script>alert(1)</script>",
  "mailto:a@b.c",
  "mailto:a@b.c?subject=<script>alert(1)</script>",
];

test.each(SAME)("%s is what a browser makes of it", (text) => {
  const url = new URL(text);
  const ours = address(text);
  expect(ours).not.toBeNull();
  expect(new URL(ours.href).href).toBe(url.href);
  expect(ours.href).toMatch(/^(?:https?:\/\/|mailto:)[\x21-\x7e]+$/);
  if (!ours.mail) expect([ours.host, ours.hostname]).toEqual([url.host, url.hostname]);
});

const REFUSED = [
  "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\u0001javascript:alert(1)", "vbscript:x", "data:text/html,x", "blob:http://x/y", "file:///etc/passwd",
  "//evil.example", "/admin/", "?c=1", "#field", "", "http:", "http://", "https:///evil.example", "https:/evil.example", "https:evil.example", "http:\\\\evil.example",
  "https://google.com\\@evil.example", "https://evil.example\n.google.com", "https://evil%2eexample/", "http://0x7f.1/", "http://2130706433/", "http://127.1/", "http://0177.0.0.1/",
  "http://a b/", "http://a..b/<", "mailto:", `http://a.b/${"c".repeat(3000)}`,
];

test.each(REFUSED)("%s is no address that may be followed", (text) => {
  const ours = address(text);
  // What ours takes all the same must lead where it says.
  if (ours) expect(new URL(ours.href).host).toBe(ours.host);
  else expect(ours).toBeNull();
});

test("whatever is taken for an address, a browser reads as the same", () => {
  let seed = 7;
  const pick = (list) => list[(seed = (seed * 48271) % 2147483647) % list.length];
  const PIECES = ["http://", "https://", "mailto:", "javascript:", "a", "google.com", "evil.example", "@", ":", "/", "\\", "?", "#", "%", "%2f", " ", "\t", "\n", "[", "]", "[::1]", "例え", "ß", "\u200b", "\u202e", "。", "．", "-", "_", "1", "0x7f", "127.0.0.1", "..", ".", ":80", "'", '"', "<", "&", "\ud800", "😀", "İ", "ſ", "K"];
  let taken = 0;
  for (let count = 0; count < 60_000; count += 1) {
    const text = pick(["http://", "https://", "mailto:", ""]) + Array.from({ length: 1 + (count % 7) }, () => pick(PIECES)).join("");
    const ours = address(text);
    if (!ours) continue;
    taken += 1;
    const url = new URL(ours.href);
    expect(["http:", "https:", "mailto:"], text).toContain(url.protocol);
    if (!ours.mail) expect([ours.host, ours.named], text).toEqual([url.host, Boolean(url.username || url.password)]);
    else expect(url.pathname, text).toBe(ours.pathname);
  }
  expect(taken).toBeGreaterThan(2_000);
});

describe("names in other letters", () => {
  test.each(["例え", "пример", "bücher", "faß", "аpple", "中文", "ليهمابتكلموشعربي؟".slice(0, 10), "他们为什么不说中文", "mañana", "☃"])("%s", (label) => {
    expect(encodeLabel(label)).toBe(new URL(`http://${label}.example`).hostname.split(".")[0]);
  });
});

const LINKS = [
  ["https://google.com", "https://evil.example/x", "evil.example"],
  ["google.com", "https://evil.example", "evil.example"],
  ["Log in at paypal.com", "https://evil.example", "evil.example"],
  ["ｇｏｏｇｌｅ.com", "https://evil.example", "evil.example"],
  ["google.com", "https://google.com@evil.example", "evil.example"],
  ["https://google.com\u202e", "https://google.com", "google.com"],
  ["me@bank.example", "mailto:you@evil.example", "you@evil.example"],
  ["apple.com", "https://аpple.com", "xn--pple-43d.com"],
  ["https://google.com/", "https://www.google.com/maps", ""],
  ["https://пример.example/a", "https://пример.example/a", ""],
  ["the manual", "https://docs.python.org", ""],
  ["README.md", "https://example.com/x/README.md", ""],
];

test.each(LINKS)("%s that leads to %s says %j", (text, href, place) => {
  expect(realPlace(text, address(href))).toBe(place);
});
