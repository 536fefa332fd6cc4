/**
 * What is being written: the draft of the open conversation, a message that is being edited, and what came back with the reason.
 *
 * @module
 */

import { shallowReactive } from "vue";

/** As many characters as the server takes. */
export const MOST_CHARS = 100_000;

/**
 * @typedef {object} Around
 * @property {() => import("./drafts.js").Drafts|null} drafts Of the person whose conversations are shown.
 * @property {(text: string) => void} say
 * @property {(message: string, text: string) => void} edit
 * @property {() => {tooLong: (most: number) => string}} words
 */

export class Composing {
  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    /** `note`: a sentence above the field. `sets` and `focus` count: the field takes another text, or the focus. */
    this.state = shallowReactive({ text: "", editing: "", note: "", sets: 0, focus: 0 });
    /** Whose draft it is; undefined: nobody's yet. @type {string|null|undefined} */
    this.conversation = undefined;
    /** The draft that waits while a message is edited. */
    this.waits = "";
  }

  /** Turn to the draft of a conversation. @param {string|null} conversation */
  turnTo(conversation) {
    if (conversation === this.conversation) return;
    // What was typed before the page knew whose it is stays.
    const typed = this.conversation === undefined ? this.state.text : "";
    this.conversation = conversation;
    this.state.note = this.state.editing = "";
    if (typed) return this.keep();
    const draft = this.#drafts?.read(conversation) ?? "";
    const edit = conversation ? this.#drafts?.readEdit(conversation) : null;
    if (edit) {
      this.waits = draft;
      this.state.editing = edit.id;
    }
    this.#set(edit?.text ?? draft);
  }

  /** Another person's: nothing of this one stays. */
  forget() {
    this.conversation = undefined;
    Object.assign(this.state, { text: "", editing: "", note: "" });
  }

  /** The person has typed. @param {string} text */
  type(text) {
    this.state.text = text;
    this.keep();
  }

  /** Written down as it is typed: the page may be about to go. */
  keep() {
    const { text, editing } = this.state;
    if (editing) this.#drafts?.writeEdit(this.conversation, { id: editing, text });
    else this.#drafts?.write(this.conversation, text);
  }

  /** @returns {boolean} Whether anything went out. */
  submit() {
    const { text, editing } = this.state;
    if (!text.trim() || !this.#drafts) return false;
    if (text.length > MOST_CHARS) {
      this.tell(this.around.words().tooLong(MOST_CHARS));
      return false;
    }
    this.state.note = "";
    if (editing) {
      this.endEdit();
      this.around.edit(editing, text);
    } else {
      this.#set("");
      this.keep();
      this.around.say(text);
    }
    return true;
  }

  /** @param {{id: string, content: string}} message */
  edit({ id, content }) {
    if (!this.state.editing) this.waits = this.state.text;
    this.state.editing = id;
    this.state.note = "";
    this.#set(content);
    this.keep();
    this.state.focus += 1;
  }

  /** The message stays as it was, and the draft comes back. */
  endEdit() {
    if (!this.state.editing) return;
    this.#drafts?.writeEdit(this.conversation, null);
    this.state.editing = "";
    this.#set(this.waits);
    this.waits = "";
  }

  /** Before what the field holds already; an edit is over. @param {string} text */
  putBack(text) {
    this.endEdit();
    this.#set([text, this.state.text].filter(Boolean).join("\n"));
    this.keep();
  }

  /** A sentence above the field. @param {string} sentence */
  tell(sentence) {
    this.state.note = sentence;
  }

  get #drafts() {
    return this.conversation === undefined ? null : this.around.drafts();
  }

  #set(text) {
    this.state.text = text;
    this.state.sets += 1;
  }
}
