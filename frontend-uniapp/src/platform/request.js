/**
 * One HTTP request, on every platform.
 *
 * @module
 */

const TIMEOUT_MS = 15_000;

/**
 * @param {{method: string, url: string, body?: any, token?: string, lang?: string, timeout?: number}} asked
 * @returns {Promise<{status: number, text: string}>} Status 0: nobody answered.
 */
export function request({ method, url, body, token, lang, timeout = TIMEOUT_MS }) {
  const header = {
    Accept: "application/json",
    ...(lang && { "Accept-Language": lang }),
    ...(body !== undefined && { "Content-Type": "application/json" }),
    ...(token && { Authorization: `Bearer ${token}` }),
  };
  // #ifdef H5
  const asked = { method, headers: header, body: body === undefined ? undefined : JSON.stringify(body), signal: signalAfter(timeout) };
  return fetch(url, asked).then(
    async (response) => ({ status: response.status, text: await response.text().catch(() => "") }),
    () => ({ status: 0, text: "" }),
  );
  // #endif
  // #ifndef H5
  return new Promise((resolve) => {
    uni.request({
      url,
      method: /** @type {any} */ (method),
      data: body === undefined ? undefined : JSON.stringify(body),
      header,
      timeout,
      dataType: "text", // not parsed by the platform: it would make numbers of what looks like one
      responseType: "text",
      success: ({ statusCode, data }) => resolve({ status: statusCode, text: typeof data === "string" ? data : JSON.stringify(data) }),
      fail: () => resolve({ status: 0, text: "" }),
    });
  });
  // #endif
}

// #ifdef H5
function signalAfter(ms) {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ms);
  return controller.signal;
}
// #endif
