/**
 * A computer's address as people read it. Pure.
 *
 * @module
 */

/** `192.168.1.7:8000` @param {{base: string}|null} server */
export function hostOf(server) {
  return server ? server.base.replace(/^https?:\/\//, "") : "";
}
