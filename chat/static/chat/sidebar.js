/**
 * The list of conversations: beside the chat on a wide screen, a drawer on a phone.
 *
 * @module
 */

import { byId, make } from "./dom.js";
import { words } from "./words.js";

const DAY_MS = 86_400_000;

export class Sidebar {
  constructor() {
    this.root = byId("sidebar");
    this.menu = byId("menu");
    this.menu.onclick = () => this.toggle(true);
    byId("close-menu").onclick = byId("shade").onclick = () => this.toggle(false);
    this.root.onkeydown = (event) => event.key === "Escape" && this.toggle(false);
  }

  /** The drawer. @param {boolean} shown */
  toggle(shown) {
    const was = this.root.classList.contains("shown");
    this.root.classList.toggle("shown", shown);
    this.menu.setAttribute("aria-expanded", String(shown));
    byId("shade").hidden = !shown;
    if (shown) byId("close-menu").focus();
    else if (was) this.menu.focus();
  }

  /**
   * @param {{id: string, title: string, updated_at: string}[]} conversations
   * @param {string|null} open
   * @param {Set<string|null>} writing Conversations in which an answer is being written.
   */
  show(conversations, open, writing) {
    const wanted = JSON.stringify([conversations, open, [...writing]]);
    if (wanted === this.shown) return;
    this.shown = wanted;
    const groups = new Map();
    for (const one of conversations) {
      const day = dayOf(one.updated_at);
      groups.set(day, [...(groups.get(day) ?? []), link(one, open, writing)]);
    }
    const parts = [...groups].flatMap(([day, links]) => [make("h2", {}, day), make("ul", {}, ...links)]);
    byId("list").replaceChildren(...(parts.length ? parts : [make("p", { className: "empty" }, words.noConversations)]));
  }
}

function link({ id, title }, open, writing) {
  const element = make("a", { className: "conversation", href: `/?c=${id}`, "data-open": id }, make("span", {}, title || words.untitled));
  if (id === open) element.setAttribute("aria-current", "page");
  if (writing.has(id)) element.append(make("span", { className: "dot", role: "img", title: words.answering, "aria-label": words.answering }));
  return make("li", {}, element);
}

function dayOf(when) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const time = Date.parse(when);
  if (time >= midnight) return words.today;
  return time >= midnight - DAY_MS ? words.yesterday : words.earlier;
}
