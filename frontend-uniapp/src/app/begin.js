/**
 * How the client begins: which computer it talks to, or the way to one.
 *
 * @module
 */

import { request } from "../platform/request.js";
import { client, openServer } from "./client.js";
import { language } from "./words.js";

/** Open the computer that was used last; where there is none, the page that finds one. */
export async function findServer() {
  if (client.server) return;
  // #ifdef H5
  const { status, text } = await request({ method: "GET", url: `${location.origin}/api/me`, lang: language.now });
  if (status === 200) return openServer({ base: location.origin, token: "", owner: JSON.parse(text).owner });
  // #endif
  uni.redirectTo({ url: "/pages/connect/connect" });
}
