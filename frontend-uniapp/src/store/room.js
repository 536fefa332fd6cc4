/**
 * Storage in which what a person wrote has room: where it is full, kept conversations go, which the computer has as well.
 *
 * @module
 */

/**
 * @param {import("../chat/preferences.js").TextStorage} storage
 * @param {() => boolean} evict Throws something away; false: there is nothing left.
 * @returns {import("../chat/preferences.js").TextStorage}
 */
export function withRoom(storage, evict) {
  return {
    getItem: (name) => storage.getItem(name),
    removeItem: (name) => storage.removeItem(name),
    key: (place) => storage.key(place),
    get length() {
      return storage.length;
    },
    setItem(name, text) {
      for (;;) {
        try {
          return storage.setItem(name, text);
        } catch (error) {
          if (!evict()) throw error;
        }
      }
    },
  };
}
