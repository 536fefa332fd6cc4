/**
 * The HTTP API as the clients use it: JSON in, JSON out, and an error with a sentence that can be shown.
 *
 * @module
 */

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

/** @typedef {(method: string, path: string, body?: any) => Promise<any>} Call What came, parsed; null where nothing did. Throws ApiError. */
/** @typedef {{get(path: string): Promise<any>, post(path: string, body?: any): Promise<any>, put(path: string, body: any): Promise<any>, patch(path: string, body: any): Promise<any>, delete(path: string): Promise<any>}} Api */

/**
 * @param {(method: string, path: string, body?: any) => Promise<{status: number, text: string}>} send Status 0: nobody answered.
 * @param {() => {unreachable: string, failedStatus: (status: number) => string}} words
 * @returns {Api} Paths are those behind /api/.
 */
export function makeApi(send, words) {
  /** @type {Call} */
  const call = async (method, path, body) => {
    const { status, text } = await send(method, path, body);
    if (!status) throw new ApiError("unreachable", words().unreachable, 0);
    const answer = parsed(text);
    if (status >= 200 && status < 300) return answer;
    const { code = "internal", message = words().failedStatus(status), retry_after_s: after } = answer ?? {};
    throw new ApiError(code, message, status, after);
  };
  return {
    get: (path) => call("GET", path),
    post: (path, body = {}) => call("POST", path, body),
    put: (path, body) => call("PUT", path, body),
    patch: (path, body) => call("PATCH", path, body),
    delete: (path) => call("DELETE", path),
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
