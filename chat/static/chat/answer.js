/**
 * An answer on the screen: its thinking, its text, how it ended, and what can be done with it.
 *
 * @module
 */

import { growText, iconButton, make, textButton } from "./dom.js";
import { endingOf, statusLine } from "./facts.js";
import { Feedback } from "./feedback.js";
import { Markdown } from "./markdown.js";
import { View } from "./view.js";
import { words } from "./words.js";

export class AssistantView extends View {
  constructor(message, does) {
    super(message, does);
    this.thoughts = make("div", { className: "thoughts" });
    this.summary = make("summary");
    this.thinking = make("details", { className: "thinking" }, this.summary, this.thoughts);
    this.markdown = new Markdown(this.text, { words });
    this.status = make("p", { className: "status" });
    this.ending = make("p", { className: "quiet" });
    this.again = iconButton("again", words.regenerate, () => does.regenerate(this.message.id));
    this.choices = iconButton("more", words.answerWith, () => does.choices(this.message.id, this.choices));
    this.choices.classList.add("answer-with");
    this.feedback = new Feedback((rating, comment) => does.rate(this.message.id, rating, comment));
    this.figures = make("span", { className: "figures" });
    this.actions = make(
      "div",
      { className: "actions" },
      this.copyButton(),
      this.again,
      this.choices,
      ...this.feedback.buttons,
      this.branches,
      this.figures,
    );
    this.root.setAttribute("aria-label", words.model);
    this.root.append(this.thinking, this.text, this.status, this.ending, this.actions, this.feedback.form);
    /** When its thinking was first seen here. */
    this.began = 0;
  }

  /** @param {import("./facts.js").Facts} facts */
  render(facts) {
    const { message, run, waits } = facts;
    const live = message.status !== "done";
    this.markdown.update(message.content, live);
    this.#renderThinking(message, live);
    const status = live ? statusLine(message, run, words) : "";
    this.status.hidden = !status;
    this.status.textContent = status;
    this.root.classList.toggle("live", live);
    this.root.classList.toggle("writing", live && Boolean(message.content));
    this.root.classList.toggle("waiting", Boolean(waits));
    this.root.setAttribute("aria-busy", String(live));
    this.#renderEnding(facts, live);
    this.#renderActions(facts, live);
  }

  #renderThinking(message, live) {
    this.thinking.hidden = !message.thinking;
    if (!message.thinking) return;
    growText(this.thoughts, message.thinking);
    const thinks = live && !message.content;
    if (thinks) this.began ||= Date.now();
    const seconds = message.thinkingS ?? (this.began ? (Date.now() - this.began) / 1000 : 0);
    // The text has begun and the server has not said yet how long it thought: what was counted here stays.
    if (!thinks && !message.thinkingS && this.began) this.counted ??= seconds;
    const value = this.counted && !message.thinkingS ? this.counted : seconds;
    this.summary.textContent = thinks ? words.thinking(value) : value ? words.thought(value) : words.thoughts;
  }

  #renderEnding({ message, run, last, waits }, live) {
    const sentence = live ? "" : waits || endingOf(message, words);
    const dropped = run?.context?.dropped ? words.dropped(run.context.dropped) : "";
    this.ending.hidden = !sentence && !dropped;
    this.ending.classList.toggle("failed", message.finishReason === "error");
    this.ending.replaceChildren([dropped, sentence].filter(Boolean).join(" "));
    if (!sentence || !last || waits) return;
    const more = message.content || message.thinking;
    const failed = message.finishReason === "error" || message.finishReason === "stop";
    if (more && message.finishReason !== "stop") this.ending.append(textButton(words.continue, () => this.does.continue(message.id)));
    if (failed || !more) this.ending.append(textButton(words.tryAgain, () => this.does.regenerate(message.id)));
  }

  #renderActions(facts, live) {
    const { message, idle, waits } = facts;
    this.actions.hidden = live || Boolean(waits);
    this.again.hidden = this.choices.hidden = !idle;
    this.feedback.show(message, live);
    this.showBranches(facts);
    const { model, tokensPerSecond, completionTokens } = message;
    const speed = tokensPerSecond ? words.speed(tokensPerSecond) : "";
    this.figures.textContent = [model, speed].filter(Boolean).join(" · ");
    this.figures.title = completionTokens ? words.tokens(completionTokens) : "";
  }
}
