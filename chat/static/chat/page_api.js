/**
 * The HTTP API, as the page reaches it.
 *
 * @module
 */

import { makeApi } from "./api.js";
import { words } from "./words.js";

const TIMEOUT_MS = 15_000;

async function send(method, path, body) {
  const headers = { Accept: "application/json", ...(body !== undefined && { "Content-Type": "application/json" }) };
  try {
    const signal = AbortSignal.timeout?.(TIMEOUT_MS);
    const response = await fetch(`/api/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
    return { status: response.status, text: await response.text().catch(() => "") };
  } catch {
    return { status: 0, text: "" };
  }
}

export const api = makeApi(send, () => words);
