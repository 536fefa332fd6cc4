/**
 * A short tick under the finger, where the phone can.
 *
 * @module
 */

export function tick() {
  // #ifdef H5
  // Some browsers complain where nothing was pressed yet; a tick is only ever the answer to a press.
  navigator.vibrate?.(10);
  // #endif
  // #ifndef H5
  uni.vibrateShort({ type: "light", fail: () => {} });
  // #endif
}
