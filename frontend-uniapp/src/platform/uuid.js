/**
 * Random ids (version 4). A browser over plain http has no `crypto.randomUUID`; the App and the mini-program may have no `crypto` at all.
 *
 * @module
 */

export function uuid() {
  const bytes = new Uint8Array(16);
  if (typeof crypto !== "undefined" && crypto.getRandomValues) crypto.getRandomValues(bytes);
  // Ids name things and open nothing: it is enough that no two are the same.
  else for (let place = 0; place < 16; place += 1) bytes[place] = Math.floor(Math.random() * 256);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
