import { expect, test } from "vitest";

import { fileName, firstOf, short, unsentOf } from "../../src/drawer/rows.js";

test("what waits in a conversation that the computer does not have is a row, the newest first", () => {
  const said = (conversation, message) => ({ key: message, conversation, frame: { type: "message", message } });
  const pending = [said("listed", "x"), said("a", "first\nline"), said("a", "second"), said("b", "other")];
  expect(unsentOf(pending, (id) => id === "listed")).toEqual([
    { id: "b", title: "other" },
    { id: "a", title: "first" },
  ]);
});

test("as many rows as are to be drawn, over the groups", () => {
  const groups = [
    { name: "one", items: [1, 2, 3] },
    { name: "two", items: [4, 5] },
  ];
  expect(firstOf(groups, 4)).toEqual([groups[0], { name: "two", items: [4] }]);
  expect(firstOf(groups, 3)).toEqual([groups[0]]);
  expect(firstOf(groups, 9)).toEqual(groups);
});

test.each([
  ["a/b\\c: d?", "a b c d.md"],
  ["../../etc", "etc.md"],
  ["  ", "conversation.md"],
  ["番茄炒蛋\u202e", "番茄炒蛋.md"],
  ["x".repeat(200), `${"x".repeat(60)}.md`],
])("the name of a file from %s", (title, name) => expect(fileName(title, "md")).toBe(name));

test("a title inside a sentence is short, and no character is cut", () => {
  expect(short("🙂".repeat(30))).toBe(`${"🙂".repeat(24)}…`);
  expect(short("short")).toBe("short");
});
