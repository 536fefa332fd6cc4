/**
 * Which of two forms the client has. As an App or a mini-program it knows several computers and finds them itself; as a page it came from one, and
 * belongs to that.
 *
 * @module
 */

let app = true;
// #ifdef H5
// In a browser only for a test build, which shows what the App shows.
app = import.meta.env.VITE_APP_FORM === "1";
// #endif

export const isApp = app;
