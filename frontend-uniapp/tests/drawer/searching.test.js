import { describe, expect, test } from "vitest";

import { FakeClock } from "../../../tests/js/fakes.mjs";
import { NOTHING, PAUSE_MS, Searching } from "../../src/drawer/searching.js";

/** What is asked waits until a test answers it. */
function world() {
  const clock = new FakeClock();
  const asked = [];
  const find = (text, cursor = null) => new Promise((answer, fail) => asked.push({ text, cursor, answer, fail }));
  const searching = new Searching({ find, timers: clock.timers, onChange: () => {} });
  return { clock, asked, searching };
}

const found = (id, next = null) => ({ titles: [], items: [{ message: id }], next });
const turn = () => new Promise((done) => setTimeout(done));

describe("searching", () => {
  test("waits until nobody types, and asks once", () => {
    const { clock, asked, searching } = world();
    for (const text of ["z", "ze", " zeb "]) {
      searching.type(text);
      clock.pass(PAUSE_MS - 1);
    }
    expect(asked).toEqual([]);
    clock.pass(1);
    expect(asked.map((one) => one.text)).toEqual(["zeb"]);
    searching.type("zeb");
    clock.pass(PAUSE_MS);
    expect(asked).toHaveLength(1);
  });

  test("an answer to what was asked before is thrown away, one that comes after it was cleared too", async () => {
    const { asked, searching } = world();
    searching.ask("one");
    searching.ask("two");
    asked[1].answer(found("2"));
    await turn();
    asked[0].answer(found("1"));
    await turn();
    expect(searching.shown.found.items).toEqual([{ message: "2" }]);
    searching.ask("three");
    searching.clear();
    asked[2].answer(found("3"));
    await turn();
    expect(searching.shown).toBe(NOTHING);
  });

  test("goes on with the next page, once at a time, and not behind the end", async () => {
    const { asked, searching } = world();
    searching.ask("one");
    asked[0].answer(found("1", "p2"));
    await turn();
    searching.more();
    searching.more();
    expect(asked.map((one) => one.cursor)).toEqual([null, "p2"]);
    asked[1].answer(found("2"));
    await turn();
    expect(searching.shown.found.items).toEqual([{ message: "1" }, { message: "2" }]);
    searching.more();
    expect(asked).toHaveLength(2);
  });

  test("what fails is said, and can be asked again", async () => {
    const { asked, searching } = world();
    searching.ask("one");
    asked[0].fail(new Error("No."));
    await turn();
    expect(searching.shown).toMatchObject({ text: "one", problem: "No.", busy: false });
    searching.ask();
    asked[1].answer(found("1", "p2"));
    await turn();
    searching.more();
    asked[2].fail(new Error("Not now."));
    await turn();
    expect(searching.shown).toMatchObject({ problem: "Not now.", found: { items: [{ message: "1" }] } });
  });
});
