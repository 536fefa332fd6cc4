import assert from "node:assert/strict";
import { test } from "node:test";

import { cookieOf, cookieText } from "../../frontend-uniapp/src/chat/cookies.js";
import { useOf } from "../../frontend-uniapp/src/chat/meter_use.js";
import { PARAMETERS } from "../../frontend-uniapp/src/chat/settings_values.js";
import { EN, ZH } from "../../frontend-uniapp/src/chat/words_settings.js";

/** Every leaf with its path. */
function leaves(value, path = "") {
  if (typeof value !== "object") return [[path, value]];
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, `${path}.${name}`));
}

/** What stands in both languages on purpose: names of languages. */
const SAME = [".set.languages.en", ".set.languages.zh-hans", ".pick.window"];

test("both languages say the same things", () => {
  const chinese = Object.fromEntries(leaves(ZH));
  const english = leaves(EN);
  assert.deepEqual(Object.keys(chinese), english.map(([path]) => path));
  for (const [path, value] of english) {
    assert.equal(typeof chinese[path], typeof value, path);
    if (typeof value === "function") assert.equal(chinese[path].length, value.length, path);
    else if (!SAME.includes(path)) assert.match(chinese[path], /\p{Script=Han}/u, path);
  }
});

test("nobody is shouted at", () => {
  for (const [path, value] of [...leaves(EN), ...leaves(ZH)]) assert.doesNotMatch(String(value), /[！]|\w!(?!=)|Oops/, path);
});

test("every parameter is explained: what it does and what happens at either end", () => {
  for (const words of [EN, ZH]) {
    assert.deepEqual(Object.keys(words.set.parameters).sort(), [...PARAMETERS].sort());
    for (const { name, does, low, high } of Object.values(words.set.parameters)) assert.ok(name && does && low && high);
  }
});

const answer = (fields) => ({ role: "assistant", run: "r", ...fields });

test("the context is what the newest answer read and wrote", () => {
  const first = answer({ promptTokens: 5, completionTokens: 5, contextLimit: 100 });
  const messages = [first, { role: "user" }, answer({ promptTokens: 30, completionTokens: 12, contextLimit: 100 })];
  assert.deepEqual(useOf(messages, {}), { used: 42, limit: 100, dropped: 0 });
  assert.deepEqual(useOf([...messages, { role: "user" }], {}), { used: 42, limit: 100, dropped: 0 });
});

test("while an answer is written, its prompt counts, and what was left out of it is told", () => {
  const messages = [answer({ promptTokens: 90, completionTokens: null, contextLimit: 100 })];
  assert.deepEqual(useOf(messages, { r: { context: { used: 90, limit: 100, dropped: 2 } } }), { used: 90, limit: 100, dropped: 2 });
});

test("an answer that nobody counted is passed over; nothing counted: nothing known", () => {
  const counted = answer({ promptTokens: 8, completionTokens: 1, contextLimit: 64 });
  assert.deepEqual(useOf([counted, answer({ promptTokens: null })], {}), { used: 9, limit: 64, dropped: 0 });
  assert.equal(useOf([{ role: "user" }], {}), null);
});

test("the window of the model that answers next counts", () => {
  assert.equal(useOf([answer({ promptTokens: 8, contextLimit: 64 })], {}, 4096)?.limit, 4096);
});

test("a cookie is found among others", () => {
  assert.equal(cookieOf("llmsite_theme", "a=1; llmsite_theme=dark; my_llmsite_theme=x"), "dark");
  assert.equal(cookieOf("llmsite_theme", ""), "");
});

test("a cookie without a value is removed", () => {
  assert.equal(cookieText("a", "dark", false), "a=dark; Path=/; SameSite=Lax; Max-Age=31536000");
  assert.equal(cookieText("a", "", true), "a=; Path=/; SameSite=Lax; Max-Age=0; Secure");
});
