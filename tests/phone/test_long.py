"""A conversation of two hundred messages: it opens at its end, streams smoothly, and the reader scrolls through all of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.end_to_end.server import Server
from tests.phone.conftest import OpenPhone
from tests.phone.phone import SCROLLER, Phone, words
from tests.talks import imported

pytestmark = [pytest.mark.browser, pytest.mark.process]

ANSWER = """Point {n}, **with** some `code`:

- one
- two

```python
print({n})
```
"""
# Long tasks are those that keep the page from anything else for more than 50 ms.
WATCH = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => list.getEntries().forEach((one) => window.longTasks.push(one.duration))).observe({entryTypes: ['longtask']});
  window.frames = 0;
  const count = () => { window.frames += 1; requestAnimationFrame(count) };
  requestAnimationFrame(count);
}"""

# Just before a message is put above those that fill more than the step, the box is scrolled, once. `stepped`: where what is read stood.
STEP_UP_WHILE_DRAWN = """(step) => {
  const insert = Element.prototype.insertBefore;
  Element.prototype.insertBefore = function (added, behind) {
    const box = this.closest('.thread');
    if (box && added.matches?.('.message') && behind === this.querySelector('.message') && box.scrollTop > step) {
      const read = [...this.querySelectorAll('.message')].find((one) => one.getBoundingClientRect().bottom > innerHeight / 2);
      window.stepped = {id: read.dataset.id, top: read.getBoundingClientRect().top};
      Element.prototype.insertBefore = insert;
      box.scrollBy(0, -step);
    }
    return insert.call(this, added, behind);
  };
}"""


@pytest.fixture
def phone(phone_server: Server, open_phone: OpenPhone) -> Phone:
    imported(phone_server, "two hundred", [(f"question {n}", ANSWER.replace("{n}", str(n))) for n in range(100)])
    opened = open_phone(phone_server.port)
    opened.open_drawer()
    opened.row("two hundred").first.tap()
    expect(opened.page.get_by_text("question 99", exact=True).first).to_be_visible()
    return opened


def test_it_opens_at_its_end(phone: Phone) -> None:
    phone.until(phone.at_end)
    expect(phone.last).to_be_in_viewport()
    expect(phone.last).to_contain_text("Point 99")
    expect(phone.button("to_end")).to_have_count(0)
    assert phone.page.locator(".message").count() < 100, "only what is near is drawn"


def test_it_streams_smoothly_and_follows(phone: Phone) -> None:
    phone.page.evaluate(WATCH)
    began = phone.page.evaluate("performance.now()")
    phone.say("!say 300")
    phone.streaming("w100 ")
    phone.until(phone.at_end)  # it follows what is written
    phone.finished()
    phone.until(phone.at_end)
    seconds = (phone.page.evaluate("performance.now()") - began) / 1000
    tasks, frames = phone.page.evaluate("[window.longTasks, window.frames]")
    assert phone.text() == words(300)
    # Generous, for a busy machine: text comes ten times a second, and drawing it must be the exception among long tasks, not the rule.
    assert sum(tasks) < seconds * 1000 / 2, tasks
    assert frames > seconds * 5, f"{frames} frames in {seconds:.1f} s"


def test_scrolling_up_shows_what_was_before_and_nothing_jumps(phone: Phone) -> None:
    phone.until(phone.at_end)
    first = phone.page.locator(".message.user").get_by_text("question 0", exact=True)
    for _ in range(200):
        if first.count():
            break
        marked = mark(phone)
        before = phone.scroll("it.scrollTop")
        phone.scroll("it.scrollBy(0, -800)")
        settle(phone)
        moved = top_of(phone, marked)
        assert moved is None or moved <= 802, f"scrolled by 800 from {before}, and what was read moved by {moved}"
    expect(first).to_have_count(1)
    expect(phone.button("to_end").first).to_be_visible()
    phone.button("to_end").first.tap()
    phone.until(phone.at_end)
    expect(phone.last).to_be_in_viewport()


def test_who_goes_up_while_more_is_drawn_above_sees_nothing_jump(phone: Phone) -> None:
    """The browser has scrolled and not said so yet when messages come above: what the reader looked at goes down by their step alone."""
    phone.new_chat()
    phone.page.evaluate(STEP_UP_WHILE_DRAWN, 800)
    phone.open_drawer()
    phone.row("two hundred").first.tap()
    phone.page.wait_for_function("() => window.stepped")
    settle(phone)
    stepped = phone.page.evaluate("() => window.stepped")
    assert abs((top_of(phone, stepped) or 0) - 800) <= 2, stepped


def test_who_reads_further_up_is_left_in_peace(phone: Phone) -> None:
    phone.until(phone.at_end)
    phone.say("!say 250")
    phone.streaming("w60 ")
    phone.scroll("it.scrollBy(0, -1500)")
    settle(phone)
    marked = mark(phone)
    phone.until(lambda: not phone.button("stop").is_visible())
    assert abs(top_of(phone, marked) or 0) <= 2, "the text under the reader's eyes did not move"
    expect(phone.button("to_end").first).to_be_visible()


def test_other_conversations_and_back(phone: Phone) -> None:
    """Turning to another conversation and back is quick to see and shows the end again."""
    phone.new_chat()
    phone.ask("short")
    for _ in range(3):
        phone.open_drawer()
        phone.row("two hundred").first.tap()
        expect(phone.last).to_contain_text("Point")
        phone.until(phone.at_end)
        phone.open_drawer()
        phone.row("short").first.tap()
        expect(phone.users).to_have_count(1)


# --- where things are ------------------------------------------------------------------------------------------------------------


def mark(phone: Phone) -> dict[str, float | str]:
    """The message in the middle of the screen, and where its top is."""
    found: dict[str, float | str] = phone.page.evaluate(
        """() => {
          const one = [...document.querySelectorAll('.message')].find((each) => each.getBoundingClientRect().bottom > innerHeight / 2);
          return {id: one.dataset.id, top: one.getBoundingClientRect().top};
        }"""
    )
    return found


def top_of(phone: Phone, marked: dict[str, float | str]) -> float | None:
    """How far it has moved since; None where it is drawn no more."""
    top = phone.page.evaluate("(id) => document.querySelector(`.message[data-id='${id}']`)?.getBoundingClientRect().top ?? null", marked["id"])
    return None if top is None else float(top) - float(marked["top"])


def settle(phone: Phone) -> None:
    """Scroll events have been handled, and what they led to is drawn: nothing has moved for five frames. A busy computer takes more than two."""
    phone.page.evaluate(
        f"""async () => {{
          const it = ({SCROLLER})();
          const frame = () => new Promise(requestAnimationFrame);
          let seen = '', still = 0;
          await frame();
          for (let frames = 0; still < 5 && frames < 300; frames += 1) {{
            await frame();
            const now = `${{it.scrollTop}} ${{it.scrollHeight}}`;
            still = now === seen ? still + 1 : 0;
            seen = now;
          }}
        }}"""
    )
