"""Answers on the chat page, put there without a model: the page's own module draws them, under the page's own policy or without it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.chromium import LIMIT_MS

SETUP = """async () => {
  const { Markdown } = await import("/static/chat/markdown.js");
  const { words } = await import("/static/chat/words.js");
  document.getElementById("welcome").hidden = true;
  window.answers = [];
  window.answer = () => {
    const text = Object.assign(document.createElement("div"), { className: "text" });
    const root = Object.assign(document.createElement("article"), { className: "message assistant" });
    root.append(text);
    document.getElementById("thread").append(root);
    const markdown = new Markdown(text, { words });
    answers.push(markdown);
    return markdown;
  };
  // As an answer comes: `step` characters at a time. Gives the milliseconds of each update.
  window.stream = (markdown, text, step) => {
    const took = [];
    for (let at = 0; at < text.length; ) {
      at = Math.min(text.length, at + step);
      const began = performance.now();
      markdown.update(text.slice(0, at), true);
      took.push(performance.now() - began);
    }
    markdown.update(text, false);
    return took;
  };
}"""


class Answers:
    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.set_default_timeout(LIMIT_MS)
        page.goto(address)
        page.wait_for_selector("#hint:not(:empty)", state="attached")
        page.evaluate(SETUP)

    def show(self, text: str) -> Any:
        """A whole answer; returns its element."""
        return self.page.evaluate_handle("text => { const made = answer(); stream(made, text, Infinity); return made.root }", text).as_element()

    def stream(self, text: str, step: int = 7) -> Any:
        """An answer that came in pieces; returns its element."""
        return self.page.evaluate_handle(
            "([text, step]) => { const made = answer(); stream(made, text, step); return made.root }", [text, step]
        ).as_element()

    def begin(self) -> Any:
        """An empty answer, to be grown with `grow`."""
        return self.page.evaluate_handle("() => { const made = answer(); made.root.parentElement.classList.add('live', 'writing'); return made }")

    def grow(self, answer: Any, text: str, live: bool = True) -> None:
        self.page.evaluate(
            "([made, text, live]) => { made.update(text, live); made.root.parentElement.classList.toggle('live', live) }", [answer, text, live]
        )

    def settled(self) -> None:
        """Until every formula is drawn and every code has its colours."""
        self.page.wait_for_function("() => document.querySelectorAll('.md-formula.md-waiting, .md-code.md-waiting').length === 0")
