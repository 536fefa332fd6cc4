import { beforeEach, describe, expect, it } from "vitest";

import { Composing, MOST_CHARS } from "../../src/composer/composing.js";
import { Drafts } from "../../src/composer/drafts.js";

let kept;
let said;
let edited;
const storage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, text) => kept.set(name, text),
  removeItem: (name) => kept.delete(name),
};

/** The field of a page that has just been opened. */
function open(conversation = null, where = storage) {
  const composing = new Composing({
    drafts: () => new Drafts(where, "ada"),
    say: (text) => said.push(text),
    edit: (message, text) => edited.push([message, text]),
    words: () => ({ tooLong: (most) => `at most ${most}` }),
  });
  composing.turnTo(conversation);
  return composing;
}

beforeEach(() => {
  kept = new Map();
  said = [];
  edited = [];
});

describe("the draft", () => {
  it("is kept for each conversation, and found again by the next page", () => {
    const composing = open();
    composing.type("new one");
    composing.turnTo("c1");
    expect(composing.state.text).toBe("");
    composing.type("in c1");
    composing.turnTo(null);
    expect(composing.state.text).toBe("new one");
    expect(open("c1").state.text).toBe("in c1");
  });

  it("has the names that the chat page gives it", () => {
    open("c1").type("half");
    expect(kept.get("llmsite.ada.draft.c1")).toBe("half");
  });

  it("is gone once it is sent", () => {
    const composing = open();
    composing.type("hello");
    expect(composing.submit()).toBe(true);
    expect(said).toEqual(["hello"]);
    expect(composing.state.text).toBe("");
    expect(kept.size).toBe(0);
  });

  it("stays when it was begun before the page knew whose it is", () => {
    let drafts = null;
    const composing = new Composing({ drafts: () => drafts, say: (text) => said.push(text), edit: () => {}, words: () => ({}) });
    composing.type("early");
    expect(composing.submit()).toBe(false);
    drafts = new Drafts(storage, "ada");
    composing.turnTo(null);
    expect(composing.state.text).toBe("early");
    expect(open().state.text).toBe("early");
    expect(composing.submit()).toBe(true);
    expect(said).toEqual(["early"]);
  });

  it("is not sent while it is blank or too long", () => {
    const composing = open();
    composing.type(" \n ");
    expect(composing.submit()).toBe(false);
    const long = "x".repeat(MOST_CHARS + 1);
    composing.type(long);
    expect(composing.submit()).toBe(false);
    expect(composing.state).toMatchObject({ text: long, note: `at most ${MOST_CHARS}` });
    expect(said).toEqual([]);
  });

  it("lives as long as the page where nothing can be stored", () => {
    const full = { ...storage, setItem: () => { throw new Error("full"); } };
    const drafts = new Drafts(full, "ada");
    drafts.write("c1", "kept");
    expect(drafts.read("c1")).toBe("kept");
    drafts.write("c1", "");
    expect(drafts.read("c1")).toBe("");
  });

  it("stays when what was refused comes back: behind it", () => {
    const composing = open("c1");
    composing.type("next");
    composing.putBack("refused");
    expect(composing.state.text).toBe("refused\nnext");
    expect(open("c1").state.text).toBe("refused\nnext");
  });
});

describe("an edit", () => {
  it("leaves the draft alone", () => {
    const composing = open("c1");
    composing.type("my draft");
    composing.edit({ id: "m1", content: "first" });
    expect(composing.state).toMatchObject({ text: "first", editing: "m1" });
    composing.type("second");
    composing.submit();
    expect(edited).toEqual([["m1", "second"]]);
    expect(composing.state).toMatchObject({ text: "my draft", editing: "" });
  });

  it("can be given up", () => {
    const composing = open("c1");
    composing.type("my draft");
    composing.edit({ id: "m1", content: "first" });
    composing.edit({ id: "m2", content: "other" });
    composing.endEdit();
    expect(composing.state).toMatchObject({ text: "my draft", editing: "" });
    expect(open("c1").state).toMatchObject({ text: "my draft", editing: "" });
  });

  it("survives the page, and the way to another conversation and back", () => {
    const composing = open("c1");
    composing.type("my draft");
    composing.edit({ id: "m1", content: "first" });
    composing.type("half changed");
    composing.turnTo("c2");
    expect(composing.state).toMatchObject({ text: "", editing: "" });
    for (const one of [composing, open()]) {
      one.turnTo("c1");
      expect(one.state).toMatchObject({ text: "half changed", editing: "m1" });
      one.endEdit();
      expect(one.state.text).toBe("my draft");
      one.edit({ id: "m1", content: "first" });
      one.type("half changed");
    }
  });
});
