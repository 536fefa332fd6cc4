/**
 * Addresses with questions in them. Not `URLSearchParams`: neither the mini-program nor the App has one.
 *
 * @module
 */

/**
 * `path?name=value&…`, without what has no value.
 * @param {string} path
 * @param {Record<string, string|number|boolean|null|undefined>} values
 */
export function withQuery(path, values) {
  const said = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return said.length ? `${path}?${said.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&")}` : path;
}
