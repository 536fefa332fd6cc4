/**
 * What network the phone is in, and when that changes.
 *
 * @module
 */

/** @returns {Promise<import("../connect/check.js").Network>} */
export function networkNow() {
  // #ifdef H5
  return Promise.resolve(navigator.onLine ? "unknown" : "none");
  // #endif
  // #ifndef H5
  return new Promise((resolve) => {
    uni.getNetworkType({ success: ({ networkType }) => resolve(kindOf(networkType)), fail: () => resolve("unknown") });
  });
  // #endif
}

// #ifndef H5
/** @returns {import("../connect/check.js").Network} */
function kindOf(type) {
  if (type === "none" || type === "wifi") return type;
  return /^\dg$/.test(type) ? "cellular" : "unknown";
}
// #endif

/** @param {() => void} call The phone is in another network, or in one again. */
export function onNetworkChange(call) {
  // #ifdef H5
  addEventListener("online", call);
  addEventListener("offline", call);
  // #endif
  // #ifndef H5
  uni.onNetworkStatusChange(call);
  // #endif
}
