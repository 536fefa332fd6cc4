/**
 * Text storage on every platform. On H5 it is Web Storage itself, so that this client and the chat page share what waits to be sent.
 *
 * @module
 */

/** @typedef {Pick<Storage, "getItem"|"setItem"|"removeItem"|"key"|"length">} TextStorage */

/** @type {TextStorage} */
export const storage = {
  // #ifdef H5
  getItem: (name) => localStorage.getItem(name),
  setItem: (name, text) => localStorage.setItem(name, text),
  removeItem: (name) => localStorage.removeItem(name),
  key: (place) => localStorage.key(place),
  get length() {
    return localStorage.length;
  },
  // #endif
  // #ifndef H5
  getItem: (name) => {
    const text = uni.getStorageSync(name);
    return typeof text === "string" && text !== "" ? text : null;
  },
  setItem: (name, text) => uni.setStorageSync(name, text),
  removeItem: (name) => uni.removeStorageSync(name),
  key: (place) => uni.getStorageInfoSync().keys[place] ?? null,
  get length() {
    return uni.getStorageInfoSync().keys.length;
  },
  // #endif
};

/**
 * Characters that conversations may take: of all of them, and of one. Web Storage has 5 MB for all pages of an address; a mini-program 10 MB, and 1 MB
 * for each value, where a Chinese character takes three bytes.
 */
export const ROOM = {
  // #ifdef H5
  total: 1_600_000,
  each: 600_000,
  // #endif
  // #ifdef MP-WEIXIN
  total: 2_400_000,
  each: 300_000,
  // #endif
  // #ifdef APP-PLUS
  total: 8_000_000,
  each: 1_500_000,
  // #endif
};
