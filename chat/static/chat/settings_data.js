/**
 * One's data and devices: take it along, clear this browser, name the device, shut one out.
 *
 * @module
 */

import { make } from "./dom.js";
import { exportAll } from "./settings_export.js";
import { field, sentenceOf, sure } from "./settings_parts.js";
import { words } from "./words.js";

const MOST_NAME = 100;

export class DataPanel {
  /** @param {import("./settings.js").Settings} settings */
  constructor(settings) {
    this.settings = settings;
    this.own = make("section");
    this.leave = make("section");
    this.devices = make("section");
    this.clearAbout = make("p", { className: "does" });
    this.unpairAbout = make("p", { className: "does" });
    this.exportSaid = make("p", { className: "does", role: "status" });
    this.exportButton = make("button", { type: "button", className: "plain-button", onclick: () => this.#export() }, words.set.export);
    const clear = sure(words.set.clearBrowser, () => settings.forget("/"));
    this.root = make(
      "div",
      { className: "data" },
      this.own,
      this.devices,
      make("section", {}, this.exportButton, make("p", { className: "does" }, words.set.exportAbout), this.exportSaid),
      make("section", {}, clear, this.clearAbout),
      this.leave,
    );
  }

  show() {
    const { unsent } = this.settings.preferences;
    const lost = unsent ? ` ${words.set.clearUnsent(unsent)}` : "";
    this.clearAbout.textContent = words.set.clearAbout + lost;
    this.unpairAbout.textContent = words.set.unpairAbout + lost;
    const { me } = this.settings;
    const wanted = JSON.stringify([me]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    if (me) this.#showOwn(me);
  }

  /** The section was opened: who is there may have changed. */
  async opened() {
    this.exportSaid.textContent = "";
    await this.#showDevices();
  }

  #showOwn(me) {
    const title = make("h3", {}, words.set.device);
    if (me.host || me.open) {
      const about = me.host ? words.set.hostDevice : words.set.openDevice;
      return this.own.replaceChildren(title, make("p", { className: "does" }, about));
    }
    const input = make("input", { type: "text", maxLength: MOST_NAME, value: me.device.name, autocomplete: "off" });
    const said = make("p", { className: "does", role: "status" });
    input.onchange = () => this.#rename(me, input.value.trim(), said);
    const unpair = sure(words.set.unpair, () => this.#revoke(me.device.id, said).then((gone) => gone && this.settings.forget("/pair/")));
    this.own.replaceChildren(title, field(words.set.deviceName, input, words.set.deviceNameAbout), said);
    this.leave.replaceChildren(unpair, this.unpairAbout);
  }

  async #rename(me, name, said) {
    try {
      const device = await this.settings.api.patch(`devices/${me.device.id}`, { name });
      me.device.name = device?.name ?? name;
      said.textContent = words.set.saved;
      await this.#showDevices();
    } catch (error) {
      said.textContent = words.set.refused(sentenceOf(error));
    }
  }

  async #showDevices() {
    const said = make("p", { className: "does", role: "status" });
    let devices = [];
    try {
      devices = await this.settings.api.get("devices");
    } catch (error) {
      said.textContent = sentenceOf(error);
    }
    const rows = devices.map((device) => this.#device(device, said));
    const more = make("a", { className: "plain-button", href: "/pair/" }, words.set.connect);
    const { phone_client: client } = this.settings.data;
    const other = client ? [make("a", { className: "plain-button", href: client }, words.set.phoneVersion)] : [];
    this.devices.hidden = Boolean(this.settings.me?.open);
    this.devices.replaceChildren(make("h3", {}, words.set.devices), make("ul", { className: "devices" }, ...rows), said, more, ...other);
  }

  #device(device, said) {
    const name = device.name || device.id.slice(0, 8);
    const state = device.revoked_at ? words.set.revoked : seenOf(device.last_seen_at);
    const facts = make("span", { className: "choice-about" }, device.this ? `${words.set.thisOne} · ${state}` : state);
    const text = make("span", { className: "choice-text" }, make("span", { className: "choice-name" }, name), facts);
    const act = () => this.#revoke(device.id, said).then((gone) => gone && this.#showDevices());
    const revoke = device.this || device.revoked_at ? [] : [sure(words.set.revoke, act, words.set.revokeLabel(name))];
    return make("li", { className: device.revoked_at ? "gone" : "" }, text, ...revoke);
  }

  async #revoke(id, said) {
    try {
      await this.settings.api.delete(`devices/${id}`);
      return true;
    } catch (error) {
      said.textContent = words.set.refused(sentenceOf(error));
      return false;
    }
  }

  async #export() {
    this.exportButton.disabled = true;
    try {
      const tell = (done) => (this.exportSaid.textContent = words.set.exporting(done));
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      const conversations = await exportAll(this.settings.api, wait, tell);
      save(conversations);
      this.exportSaid.textContent = words.set.exported(conversations.length);
    } catch (error) {
      this.exportSaid.textContent = sentenceOf(error);
    } finally {
      this.exportButton.disabled = false;
    }
  }
}

function seenOf(when) {
  if (!when) return words.set.neverSeen;
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  return words.set.seen(format.format(new Date(when)));
}

/** Hand a file to the person. */
function save(conversations) {
  const text = JSON.stringify({ exported_at: new Date().toISOString(), conversations }, null, 2);
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { href: url, download: `llmsite-${new Date().toISOString().slice(0, 10)}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
