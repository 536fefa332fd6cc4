/**
 * The field at the bottom: it grows, keeps its draft, sends or stops, and takes back what was refused.
 *
 * @module
 */

import { byId, setIcon } from "./dom.js";
import { words } from "./words.js";

export class Composer {
  /** @param {{send(text: string): void, stop(): void, edit(id: string, text: string): void}} does @param {{max_chars: number, owner: string}} data */
  constructor(does, data) {
    this.does = does;
    this.most = data.max_chars;
    this.drafts = `llmsite.${data.owner}.draft.`;
    this.form = byId("composer");
    this.field = byId("field");
    this.button = byId("send");
    this.note = byId("note");
    this.hint = byId("hint");
    this.touch = matchMedia("(pointer: coarse)").matches;
    this.running = false;
    this.stopping = false;
    /** The message that is being edited, and the draft that waits meanwhile. */
    this.editing = "";
    this.draft = "";
    /** Whose draft it is. */
    this.place = "";
    this.form.onsubmit = (event) => this.#submit(event);
    this.field.oninput = () => this.#changed();
    this.field.onkeydown = (event) => this.#key(event);
    byId("note-close").onclick = () => this.#closeNote();
  }

  /** Turn to the draft of a conversation. @param {string|null} conversation */
  turnTo(conversation) {
    const place = this.drafts + (conversation ?? "new");
    if (place === this.place) return;
    this.place = place;
    this.editing = "";
    this.note.hidden = true;
    this.#set(read(place));
  }

  /** Send is Stop while an answer is written: same place, same size. @param {boolean} running @param {boolean} stopping */
  setRunning(running, stopping) {
    this.running = running;
    this.stopping = running && stopping;
    const label = running ? words.stop : words.send;
    this.button.title = label;
    this.button.setAttribute("aria-label", label);
    setIcon(this.button.firstElementChild, running ? "stop" : "send");
    this.#show();
  }

  /** @param {{id: string, content: string}} message */
  edit(message) {
    if (!this.editing) this.draft = this.field.value;
    this.editing = message.id;
    this.#say(words.editing, words.cancel, false);
    this.#set(message.content);
    this.field.focus();
  }

  /** What was refused comes back, with the reason above it. @param {string} reason @param {string} text */
  refused(reason, text) {
    this.putBack(text);
    this.say(reason);
  }

  /** Before what the field holds already. @param {string} text */
  putBack(text) {
    this.editing = "";
    this.#set([text, this.field.value].filter(Boolean).join("\n"));
    this.keep();
    this.field.focus();
  }

  /** A sentence above the field. @param {string} sentence */
  say(sentence) {
    this.#say(sentence, words.close, true);
  }

  #say(sentence, close, failed) {
    byId("note-text").textContent = sentence;
    byId("note-close").textContent = close;
    this.note.classList.toggle("failed", failed);
    this.note.hidden = false;
  }

  #closeNote() {
    this.note.hidden = true;
    if (this.editing) this.#set(this.draft);
    this.editing = "";
    this.field.focus();
  }

  /** Enter sends on a keyboard, and never while an input method is putting characters together. */
  #key(event) {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Escape" && !composing && this.editing) this.#closeNote();
    if (event.key !== "Enter" || event.shiftKey || composing || this.touch) return;
    event.preventDefault();
    if (!this.running) this.form.requestSubmit();
  }

  #submit(event) {
    event.preventDefault();
    if (this.running) return this.does.stop();
    const text = this.field.value;
    if (!text.trim()) return this.field.focus();
    if (text.length > this.most) return this.say(words.tooLong(this.most));
    const { editing } = this;
    this.editing = "";
    this.note.hidden = true;
    this.#set(editing ? this.draft : "");
    this.keep();
    if (editing) this.does.edit(editing, text);
    else this.does.send(text);
    if (!this.touch) this.field.focus(); // on a phone the keyboard would come up over the answer
  }

  #set(text) {
    this.field.value = text;
    this.#show();
  }

  #changed() {
    this.#show();
    this.keep();
  }

  /** The draft, now: it is written down as it is typed, but the page may be about to go. */
  keep() {
    if (!this.editing) write(this.place, this.field.value);
  }

  #show() {
    const { field } = this;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    this.button.setAttribute("aria-disabled", String(!this.running && !field.value.trim()));
    this.hint.textContent = this.#hint();
  }

  #hint() {
    if (this.stopping) return words.hintStopping;
    if (this.running) return words.hintStop;
    if (this.field.value.startsWith("/")) return words.hintSystem;
    return this.touch ? words.hintTouch : words.hintKeys;
  }
}

function read(name) {
  try {
    return localStorage.getItem(name) ?? "";
  } catch {
    return ""; // storage may be forbidden
  }
}

function write(name, text) {
  try {
    if (text) localStorage.setItem(name, text);
    else localStorage.removeItem(name);
  } catch {
    // storage may be forbidden or full; the draft then lives as long as the page
  }
}
