"""Answers as they look while they are written and when they are there: what grows, what stays, what is copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.answers import Answers
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

RICH = r"""# Binary search, in short

It finds a value in a **sorted** list in $O(\log n)$ steps; see [Wikipedia](https://en.wikipedia.org/wiki/Binary_search).
价格从 $5 涨到了 $10，函数$f(x)=x^2$。

1. Look at the middle: `mid = (lo + hi) // 2`.
2. Compare:
   - equal: done;
   - smaller: go right.

   ```python
   def search(items):
       return -1  # not found
   ```
3. Repeat.

- [x] sorted
- [ ] unique

> At most
> $$\lfloor \log_2 n \rfloor + 1$$
> steps.

| 方法 | Worst | A column with a rather long title that makes the table wide | and one more | and another |
|:-----|------:|------|------|------|
| Linear | $n$ | a | b | c |
| **Binary** | $\log_2 n$ | `a` | b | c |

$$
\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}
$$

```js
export const sum = (xs) => xs.reduce((a, b) => a + b, 0); // a long line that has to be scrolled sideways to be read to its very end
```

H<sub>2</sub>O, <kbd>Ctrl</kbd>. A note.[^1] Bad: $\frac{1}{$.

[^1]: The note's text.
"""


@pytest.fixture
def answers(browser: Browser, server: Server) -> Iterator[Answers]:
    context = browser.new_context(viewport={"width": 1000, "height": 700}, locale="en")
    wrong: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security Policy" in message.text else None)
    yield Answers(page, server.http)
    context.close()
    assert wrong == []


def html(root: Any) -> str:
    """The elements, without the names that only style them."""
    return str(root.evaluate('root => root.innerHTML.replace(/ class="[^"]*"/g, \'\')'))


def test_the_elements(answers: Answers) -> None:
    root = answers.show(RICH)
    answers.settled()
    count = {
        name: len(root.query_selector_all(name))
        for name in ("h3", "ol", "ol > li", "ul", "blockquote", "table", "pre", ".katex", "input[type=checkbox]", "sub", "kbd", "a")
    }
    expected = {
        "h3": 1,
        "ol": 1,
        "ol > li": 3,
        "ul": 2,
        "blockquote": 1,
        "table": 1,
        "pre": 2,
        ".katex": 6,
        "input[type=checkbox]": 2,
        "sub": 1,
        "kbd": 1,
        "a": 1,
    }
    assert count == expected
    assert root.query_selector(".md-source").inner_text() == r"\frac{1}{"
    assert root.query_selector(".c-keyword").inner_text() == "def"


@pytest.mark.parametrize("step", [1, 13, 200])
def test_however_it_comes_it_ends_the_same(answers: Answers, step: int) -> None:
    whole, streamed = answers.show(RICH), answers.stream(RICH, step)
    answers.settled()
    assert html(streamed) == html(whole)


def test_finished_blocks_are_never_touched_again_and_a_selection_in_them_stays(answers: Answers) -> None:
    answer = answers.begin()
    answers.grow(answer, "First *paragraph* here.\n\n- one\n- two\n\n```py\nx = 1\n```\n\nThe end")
    page = answers.page
    page.evaluate(
        """made => {
            const [first, list] = made.root.children;
            window.touched = 0;
            const watch = new MutationObserver(all => (touched += all.filter(one => one.type !== "attributes").length));
            const all = { subtree: true, childList: true, characterData: true };
            for (const element of [first, list.firstElementChild, made.root.querySelector(".md-top")]) watch.observe(element, all);
            getSelection().setBaseAndExtent(first.querySelector("em").firstChild, 2, list.firstElementChild.firstChild, 2);
        }""",
        answer,
    )
    for count in range(30):
        answers.grow(answer, "First *paragraph* here.\n\n- one\n- two\n\n```py\nx = 1\n```\n\nThe end" + " grows" * count)
    answers.grow(answer, "First *paragraph* here.\n\n- one\n- two\n\n```py\nx = 1\n```\n\nThe end" + " grows" * 30, False)
    assert page.evaluate("getSelection().toString().replace(/\\s+/g, ' ')") == "ragraph here. on"
    assert page.evaluate("touched") == 0


def test_a_selection_in_what_still_grows_stays(answers: Answers) -> None:
    for start in ("Some *words* and ", "- one\n- two *words* and ", "> Some *words* and "):
        answer = answers.begin()
        answers.grow(answer, start)
        answers.page.evaluate("made => getSelection().selectAllChildren(made.root.querySelector('em'))", answer)
        for count in range(20):
            answers.grow(answer, start + "**more** " * count)
        assert answers.page.evaluate("getSelection().toString()") == "words"


def test_code_keeps_its_height_and_its_selection_when_it_gets_its_colours(answers: Answers) -> None:
    page = answers.page
    code = "```python\n" + "".join(f"def f{n}(x): return 'text' + str({n})  # comment\n" for n in range(20)) + "```\n"
    answer = answers.begin()
    answers.grow(answer, code[:-4])
    page.evaluate("() => { const text = document.querySelector('.md-code code').firstChild; getSelection().setBaseAndExtent(text, 4, text, 300) }")
    height = page.evaluate("document.querySelector('.md-code').getBoundingClientRect().height")
    chosen = page.evaluate("getSelection().toString()")
    answers.grow(answer, code, False)
    page.wait_for_selector(".c-keyword")
    assert page.evaluate("document.querySelector('.md-code').getBoundingClientRect().height") == height
    assert page.evaluate("getSelection().toString()") == chosen
    assert len(chosen) == 296


HALVES = {
    "Some **bo": ("strong", "bo"),
    "Some `co": ("code", "co"),
    "See [the manual](https://exam": ("p", "See the manual"),
    "| Name | Val": ("th:last-child", "Val"),
    "| Name | Value |\n|--": ("th:last-child", "Value"),
    "| Name | Value |\n|---|---|\n| a": ("td", "a"),
    "```py\nx = 1\n``": ("pre", "x = 1"),
    "$$\nx^2 + ": (".md-display", "x^2 +"),
    "So $x^2": (".md-formula", "x^2"),
    "- one\n- **tw": ("li:last-child strong", "tw"),
}


@pytest.mark.parametrize("text", HALVES)
def test_what_is_half_there_looks_as_it_will(answers: Answers, text: str) -> None:
    answer = answers.begin()
    answers.grow(answer, text)
    selector, shown = HALVES[text]
    expect(answers.page.locator(f".markdown {selector}").first).to_have_text(shown)


def test_addresses_that_are_said_below_their_use(answers: Answers) -> None:
    answer = answers.begin()
    text = "See [the manual][m] and [other].\n\nText.\n\n[m]: https://example.com/manual\n\nMore text"
    for end in range(5, len(text), 5):
        answers.grow(answer, text[:end])
    answers.grow(answer, text, False)
    expect(answers.page.locator(".markdown a")).to_have_attribute("href", "https://example.com/manual")
    expect(answers.page.locator(".markdown p").first).to_have_text("See the manual and [other].")


def test_an_answer_may_become_another_one(answers: Answers) -> None:
    answer = answers.begin()
    for text in ("# One\n\nlong text\n\n- a\n- b", "Other", "Other\n\n- c"):
        answers.grow(answer, text)
    answers.grow(answer, "Other\n\n- c\n- d", False)
    answers.grow(answer, "Other\n\n- c\n- d and on", True)
    assert answers.page.locator(".markdown").inner_text().split() == ["Other", "c", "d", "and", "on"]


def test_copying(answers: Answers) -> None:
    page = answers.page
    answers.show("A formula $x^2$ here.\n\n```py\nx = 1\n```")
    answers.settled()
    page.evaluate(
        "() => { window.copied = []; Object.defineProperty(navigator, 'clipboard', { value: { writeText: async text => void copied.push(text) } }) }"
    )
    button = page.get_by_role("button", name="Copy", exact=True).last
    expect(button).to_have_text("Copy")
    button.click()
    expect(page.locator(".md-copy")).to_have_text("Copied")
    assert page.evaluate("copied") == ["x = 1"]
    expect(page.locator("#said")).to_have_text("Copied")
    expect(page.locator(".md-copy")).to_have_text("Copy")
    copied = page.evaluate(
        """() => {
            getSelection().selectAllChildren(document.querySelector(".markdown p"));
            const data = new DataTransfer();
            document.querySelector(".markdown p").dispatchEvent(new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true }));
            return data.getData("text/plain");
        }"""
    )
    assert copied == "A formula $x^2$ here."


def test_what_is_far_away_is_drawn_when_it_comes_near(answers: Answers) -> None:
    page = answers.page
    page.evaluate("() => { for (let n = 0; n < 200; n += 1) answer().update(`**Answer** ${n}\\n\\n- a\\n- b`, false) }")
    page.wait_for_selector(".markdown:not(.undrawn) strong")
    assert page.locator(".markdown.undrawn").count() > 150
    last = page.locator(".markdown").last
    last.scroll_into_view_if_needed()
    expect(last.locator("strong")).to_have_text("Answer")


def test_katex_and_the_colours_come_only_when_needed(answers: Answers) -> None:
    page = answers.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answers.show("Only **words**, and 5 $ or $6.")
    page.wait_for_timeout(300)
    assert not [url for url in asked if "katex" in url or "highlight" in url]
    answers.show("$x$")
    page.wait_for_selector(".katex")
    assert [url for url in asked if "katex.mjs" in url]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_it_fits_a_small_phone_and_axe_finds_nothing(browser: Browser, server: Server, scheme: Literal["light", "dark"], locale: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme, locale=locale)
    answers = Answers(context.new_page(), server.http)
    root = answers.show(RICH)
    answers.settled()
    assert answers.page.evaluate("document.getElementById('scroller').scrollWidth") <= 360
    for selector in (".md-table", ".md-code pre"):
        box = root.query_selector(selector)
        assert box.evaluate("box => box.getBoundingClientRect().right <= 360")
    found = Axe().run(answers.page, context={"include": [[".message"]]})
    # Which levels a model gives its headings is its own affair; they begin below the page's.
    assert [one["id"] for one in found.response["violations"] if one["id"] != "heading-order"] == []
    context.close()
