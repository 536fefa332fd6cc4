// OpenAI's own client for Node against a server: node chat.mjs BASE_URL KEY. Prints what it got as one JSON object.
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "!think hello there" }];
const got = { models: [], pieces: [], thinking: "", errors: {} };

for await (const model of client.models.list()) got.models.push(model.id);
got.whole = await client.chat.completions.create({ model: "fake", messages });
for await (const chunk of await client.chat.completions.create({ model: "fake", messages, stream: true, stream_options: { include_usage: true } })) {
  got.pieces.push(chunk.choices[0]?.delta.content ?? "");
  got.thinking += chunk.choices[0]?.delta.reasoning_content ?? "";
  got.usage = chunk.usage ?? null;
}
got.text = (await client.completions.create({ model: "fake", prompt: "once upon" })).choices[0].text;

const refused = {
  key: () => new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 }).models.list(),
  model: () => client.chat.completions.create({ model: "gpt-none", messages }),
  n: () => client.chat.completions.create({ model: "fake", messages, n: 2 }),
};
for (const [name, call] of Object.entries(refused)) {
  await call().catch((error) => (got.errors[name] = [error.constructor.name, error.status, error.code, error.param]));
}

// A client that has read enough hangs up.
const stopped = await client.chat.completions.create({ model: "fake", messages: [{ role: "user", content: "!say 2000 node" }], stream: true });
for await (const chunk of stopped) if (chunk.choices[0]?.delta.content) break;
console.log(JSON.stringify(got));
