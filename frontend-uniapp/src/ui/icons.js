/**
 * The symbols, drawn in lines on a field of 24 by 24: the same as the chat page has.
 *
 * @module
 */

export const ICONS = {
  menu: `<path d="M4 7h16M4 12h16M4 17h16"/>`,
  new: `<path d="M12 5H6a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-6M17.5 3.8a1.8 1.8 0 0 1 2.6 2.6L12 14.5l-3.5 1 1-3.5z"/>`,
  send: `<path d="M12 19V6M6 11.5 12 5.5l6 6"/>`,
  stop: `<rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor"/>`,
  down: `<path d="M12 5v13M6 12.5l6 6 6-6"/>`,
  copy: `<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M15 9V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h3"/>`,
  done: `<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
  again: `<path d="M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4"/>`,
  edit: `<path d="M15.5 5.5l3 3L8.5 18.5l-4 1 1-4z"/>`,
  settings: `<path d="M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5"/>`,
  dice: `<rect x="4" y="4" width="16" height="16" rx="3"/><path d="M8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01"/>`,
  open: `<path d="m7 10 5 5 5-5"/>`,
  panel: `<rect x="4" y="5" width="16" height="14" rx="2"/><path d="M9.5 5v14"/>`,
  search: `<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>`,
  more: `<path stroke-width="2.6" d="M6 12h.01M12 12h.01M18 12h.01"/>`,
  pin: `<path d="M9 4h6l-.7 6.5 3.2 3.5h-11l3.2-3.5zM12 14v6.5"/>`,
  download: `<path d="M12 4v11M7.5 11 12 15.5l4.5-4.5M5 19.5h14"/>`,
  import: `<path d="M12 16V5M7.5 9 12 4.5 16.5 9M5 19.5h14"/>`,
  delete: `<path d="M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5"/>`,
  before: `<path d="m14 7-5 5 5 5"/>`,
  after: `<path d="m10 7 5 5-5 5"/>`,
  up: `<path d="M8 10.5 11.5 4a2 2 0 0 1 2.5 2.2L13.5 10h4.8a1.8 1.8 0 0 1 1.8 2.2l-1.3 6a2 2 0 0 1-2 1.6H8zM4.5 10.5H8v9.3H4.5z"/>`,
  "up-on": `<path fill="#000" d="M8 10.5 11.5 4a2 2 0 0 1 2.5 2.2L13.5 10h4.8a1.8 1.8 0 0 1 1.8 2.2l-1.3 6a2 2 0 0 1-2 1.6H10V10.5zM4.5 10.5H7v9.3H4.5z"/>`,
  "thumb-down": `<path d="M16 13.5 12.5 20a2 2 0 0 1-2.5-2.2l.5-3.8H5.7a1.8 1.8 0 0 1-1.8-2.2l1.3-6a2 2 0 0 1 2-1.6H16zM19.5 13.5H16V4.2h3.5z"/>`,
  "thumb-down-on": `<path fill="#000" d="M16 13.5 12.5 20a2 2 0 0 1-2.5-2.2l.5-3.8H5.7a1.8 1.8 0 0 1-1.8-2.2l1.3-6a2 2 0 0 1 2-1.6H14V13.5zM19.5 13.5H17V4.2h2.5z"/>`,
  select: `<path d="M9 5.5h6M12 5.5v13M9 18.5h6M4 8.5v7M20 8.5v7"/>`,
  close: `<path d="M6 6l12 12M18 6 6 18"/>`,
  back: `<path d="m14.5 5.5-6.5 6.5 6.5 6.5"/>`,
  scan: `<path d="M4 8.5V6a2 2 0 0 1 2-2h2.5M15.5 4H18a2 2 0 0 1 2 2v2.5M20 15.5V18a2 2 0 0 1-2 2h-2.5M8.5 20H6a2 2 0 0 1-2-2v-2.5M4 12h16"/>`,
  share: `<path d="M12 15V4M8 7.5 12 4l4 3.5M6 11H5v9h14v-9h-1"/>`,
  computer: `<rect x="4" y="5" width="16" height="11" rx="1.5"/><path d="M9 20h6M12 16v4"/>`,
  add: `<path d="M12 5v14M5 12h14"/>`,
  lock: `<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>`,
  about: `<circle cx="12" cy="12" r="8.5"/><path d="M12 11.5v4.5M12 8.2h.01"/>`,
  unpair: `<path d="M10 7 12.5 4.5a4 4 0 0 1 6 6L16 13M14 17l-2.5 2.5a4 4 0 0 1-6-6L8 11M5 5l14 14"/>`,
  check: `<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
};

/** As a mask: it is painted in the colour of the text around it. @param {string} name */
export function maskOf(name) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">${ICONS[name]}</svg>`;
  return `url("data:image/svg+xml,${encodeURIComponent(svg)}")`;
}
