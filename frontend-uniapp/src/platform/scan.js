/**
 * Scanning a QR code, where the platform can.
 *
 * @module
 */

/** @returns {Promise<{kind: "text", text: string}|{kind: "cancelled"}|{kind: "failed"}>} `failed`: mostly no right to use the camera. */
export function scan() {
  return new Promise((resolve) => {
    uni.scanCode({
      onlyFromCamera: false, // a picture of the code will do
      scanType: ["qrCode"],
      success: ({ result }) => resolve({ kind: "text", text: String(result ?? "") }),
      fail: ({ errMsg = "" }) => resolve({ kind: /cancel/i.test(errMsg) ? "cancelled" : "failed" }),
    });
  });
}
