/**
 * The HTTP API, as the page uses it: JSON in, JSON out, and an error with a sentence that can be shown.
 *
 * @module
 */

import { words } from "./words.js";

const TIMEOUT_MS = 15_000;

export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message One sentence in the person's language.
   * @param {number} status 0: the computer cannot be reached.
   * @param {number} [retryAfter] Seconds after which it will be taken, where the server knows.
   */
  constructor(code, message, status, retryAfter) {
    super(message);
    this.code = code;
    this.status = status;
    this.retry_after_s = retryAfter;
  }
}

/**
 * @param {string} method
 * @param {string} path Behind /api/.
 * @param {any} [body]
 * @returns {Promise<any>} What came, parsed; null where nothing did.
 * @throws {ApiError}
 */
async function call(method, path, body) {
  const headers = { Accept: "application/json", ...(body !== undefined && { "Content-Type": "application/json" }) };
  let response;
  try {
    const signal = AbortSignal.timeout?.(TIMEOUT_MS);
    response = await fetch(`/api/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch {
    throw new ApiError("unreachable", words.unreachable, 0);
  }
  const text = await response.text().catch(() => "");
  const answer = parsed(text);
  if (response.ok) return answer;
  const { code = "internal", message = words.failedStatus(response.status), retry_after_s: after } = answer ?? {};
  throw new ApiError(code, message, response.status, after);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const api = {
  get: (path) => call("GET", path),
  post: (path, body = {}) => call("POST", path, body),
  put: (path, body) => call("PUT", path, body),
  patch: (path, body) => call("PATCH", path, body),
  delete: (path) => call("DELETE", path),
};
