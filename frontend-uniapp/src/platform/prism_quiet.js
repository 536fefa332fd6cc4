/** Before Prism comes: it is not to look through the page for code by itself. @module */

// #ifdef H5
if (typeof window !== "undefined") window.Prism = { manual: true, disableWorkerMessageHandler: true };
// #endif
