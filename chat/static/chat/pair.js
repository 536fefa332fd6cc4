/**
 * Keeps the open /pair/ page true: counts the code down, says which device was paired, and fetches what has changed.
 * The page works without it; then a new code takes a reload.
 *
 * @module
 */

const EVERY_MS = 2000;
const SAID_MS = 12000;

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** When the code on the page grows too old, by this page's clock. */
let deadline = 0;

let silence = 0;

/** For a while; that the server is lost, until it is back. @param {"paired"|"expired"|"moved"|"lost"} what */
function say(what, name = "") {
  byId("said").textContent = byId("said").dataset[what].replace("{name}", name);
  clearTimeout(silence);
  if (what !== "lost") silence = setTimeout(() => (byId("said").textContent = ""), SAID_MS);
}

function takeTime() {
  const seconds = byId("invitation")?.dataset.seconds;
  deadline = seconds ? performance.now() + Number(seconds) * 1000 : 0;
  tick();
}

function tick() {
  const left = document.querySelector(".left");
  if (!left || !deadline) return;
  const seconds = Math.max(0, Math.round((deadline - performance.now()) / 1000));
  left.textContent = left.dataset.left.replace("{time}", `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
}

/** The page as the server has it now. @param {Record<string, string>} [more] @returns {Promise<Document>} */
async function page(more = {}) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(more)) query.set(key, value);
  const response = await fetch(`/pair/?${query}`, { cache: "no-store" });
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Put the new section in the place of the old one. @param {Document} from @param {string} id */
function replace(from, id) {
  const fresh = from.getElementById(id);
  if (fresh && byId(id)) byId(id).replaceWith(document.adoptNode(fresh));
}

async function renew() {
  const chosen = document.querySelector(".choice :checked")?.value;
  const fresh = await page();
  replace(fresh, "invitation");
  replaceDevices(fresh);
  for (const choice of document.querySelectorAll(".choice input")) choice.checked ||= choice.value === chosen;
  takeTime();
}

/** Not while somebody writes a new name there. @param {Document} from */
function replaceDevices(from) {
  const devices = byId("devices");
  if (!devices.querySelector(".acts [open]") && !devices.contains(document.activeElement)) replace(from, "devices");
}

async function look() {
  const invitation = byId("invitation");
  const response = await fetch(`/pair/now/?code=${invitation?.dataset.code ?? ""}`, { cache: "no-store" });
  if (response.status === 403) return location.reload(); // this browser was removed
  if (!response.ok) throw new Error(String(response.status));
  const now = await response.json();
  if (byId("said").textContent === byId("said").dataset.lost) byId("said").textContent = "";
  if (invitation && now.state === "used") {
    await renew();
    say("paired", now.device);
  } else if (invitation && now.places !== invitation.dataset.places) {
    await renew();
    say("moved");
  } else if (invitation?.dataset.code && now.state !== "waiting") {
    await renew();
    say("expired");
  } else if (now.devices !== byId("devices")?.dataset.devices && byId("devices")) {
    replaceDevices(await page({ only: "devices" }));
  }
}

async function watch() {
  if (!document.hidden && byId("devices")) await look().catch(() => say("lost"));
  setTimeout(watch, EVERY_MS);
}

/** The Wi-Fi's code without leaving the page, so that no password is in a page that the browser keeps. @param {SubmitEvent} event */
async function join(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.closest("#wifi")) return;
  event.preventDefault();
  const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), cache: "no-store" });
  replace(new DOMParser().parseFromString(await response.text(), "text/html"), "wifi");
  (byId("wifi-result") ?? byId("wifi-password")).focus();
}

document.addEventListener("submit", (event) => join(event).catch(() => say("lost")));
document.addEventListener("click", (event) => {
  if (!event.target.closest("#renew")) return;
  event.preventDefault();
  renew().catch(() => say("lost"));
});
takeTime();
setInterval(tick, 1000);
setTimeout(watch, EVERY_MS);
