"""Answers on the phone: what Markdown becomes, what is copied, what comes only when it is needed, and that hostile text stays text."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.test_markdown import RICH
from tests.browser.xss_vectors import VECTORS
from tests.chromium import Guard, serious
from tests.end_to_end.server import Server
from tests.phone.conftest import OpenPhone
from tests.phone.phone import Phone

pytestmark = [pytest.mark.browser, pytest.mark.process]

TRAPS = """() => {
  window.ran = [];
  for (const name of ["alert", "confirm", "prompt", "print", "open", "msgbox"]) window[name] = (...given) => ran.push(`${name}(${given})`);
}"""

# Elements and attributes that neither our templates nor KaTeX make.
CHECK = r"""
root => {
  const ours = new Set("A DIV PRE SPAN UNI-TEXT UNI-VIEW".split(" "));
  const plain = /^(class|href|rel|target|title|role|tabindex|style|aria-[a-z]+|data-tex|data-v-[0-9a-f]+)$/;
  const wrong = [];
  for (const element of root.querySelectorAll("*")) {
    const name = element.tagName;
    const drawn = element.closest(".md-formula") && !/^(meta|marquee)$/i.test(name)
      && /^(span|svg|path|line|g|math|semantics|annotation|m[a-z]+)$/i.test(name);
    if (!ours.has(name) && !drawn) wrong.push(`element ${name}`);
    for (const { name: attribute, value } of element.attributes) {
      if (!plain.test(attribute) && !drawn) wrong.push(`attribute ${attribute}=${value}`);
      if (/^on|^id$|^name$|src/i.test(attribute)) wrong.push(`attribute ${attribute}`);
      if (attribute === "href" && !/^(https?:\/\/|mailto:)/.test(value)) wrong.push(`href ${value}`);
      if (attribute === "style" && !drawn) wrong.push(`style ${value}`);
      if (attribute === "style" && /url|position:\s*(fixed|sticky)|expression|image/i.test(value)) wrong.push(`style ${value}`);
    }
    if (name === "A" && !(element.rel.includes("noopener") && element.target === "_blank")) wrong.push("a link that keeps its opener");
  }
  return wrong;
}
"""

COPY = """selector => {
  const element = document.querySelector(selector);
  getSelection().selectAllChildren(element);
  const data = new DataTransfer();
  element.dispatchEvent(new ClipboardEvent("copy", { clipboardData: data, bubbles: true, cancelable: true }));
  return data.getData("text/plain");
}"""


def show(phone: Phone, text: str) -> Locator:
    """The echo of a text, drawn in full. What is said first keeps the text's own first line apart."""
    phone.ask(f"Go\n\n{text}")
    root = phone.last.locator(".markdown")
    expect(root.locator(".md-waiting")).to_have_count(0)
    return root


def test_everything_that_an_answer_may_have(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    root = show(phone, RICH)
    expect(root.locator(".md-c-keyword").first).to_have_text("def")
    expect(root.locator(".katex")).to_have_count(6)
    counts = {
        "[role=heading][aria-level='3']": 1,
        ".md-mark": 8,
        ".md-task": 2,
        ".md-task.md-done": 1,
        ".md-quote": 3,
        "[role=table]": 1,
        "[role=columnheader]": 5,
        "[role=cell]": 10,
        "pre": 2,
        ".md-display": 2,
        ".md-sub": 1,
        ".md-kbd": 1,
        "a": 1,
    }
    assert {selector: root.locator(selector).count() for selector in counts} == counts
    expect(root.locator(".md-source")).to_have_text(r"\frac{1}{")
    link = root.locator("a")
    expect(link).to_have_attribute("href", "https://en.wikipedia.org/wiki/Binary_search")
    assert set((link.get_attribute("rel") or "").split()) == {"noopener", "noreferrer", "nofollow"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_it_fits_a_small_phone_and_axe_finds_nothing(
    phone_server: Server, open_phone: OpenPhone, scheme: Literal["light", "dark"], locale: str
) -> None:
    phone = open_phone(phone_server.port, viewport={"width": 320, "height": 640}, color_scheme=scheme, locale=locale)
    root = show(phone, RICH)
    expect(root.locator(".md-c-keyword").first).to_be_attached()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 320
    for selector in (".md-table", ".md-block", ".md-display"):
        assert root.locator(selector).last.evaluate("one => one.getBoundingClientRect().right <= 320")
    # Which levels a model gives its headings is its own affair; they begin below the page's.
    assert [found for found in serious(phone.page) if "heading-order" not in str(found)] == []


def test_code_is_copied_and_keeps_its_height(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    page = phone.page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as over plain http
    page.evaluate("document.execCommand = () => { window.copied = document.activeElement.value; return true }")
    phone.say("Go\n\n```python\n" + "".join(f"def f{n}(x): return 'text' + str({n})  # comment\n" for n in range(20)) + "```")
    block = phone.last.locator(".md-block")
    expect(block.locator("pre")).to_contain_text("def f19(x): return 'text' + str(19)")
    height = block.evaluate("one => one.getBoundingClientRect().height")
    phone.finished()
    expect(block.locator(".md-c-keyword").first).to_be_attached()
    assert block.evaluate("one => one.getBoundingClientRect().height") == height
    phone.button("copy", block).tap()
    expect(block.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("copied.split('\\n').length") == 20
    expect(phone.button("copy", block)).to_be_visible()


def test_what_is_selected_is_copied_as_it_was_written(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    show(phone, "A formula $x^2$ here.\n\n1. one\n2. two\n   - three\n\n> quoted\n\n| a | b |\n|---|---|\n| 1 | $y$ |\n\n```py\nx = 1\n```")
    copied = phone.page.evaluate(COPY, ".message.assistant .markdown")
    lines = [line for line in copied.splitlines() if line.strip()]
    assert lines == ["echo: Go", "A formula $x^2$ here.", "1. one", "2. two", "   ◦ three", "> quoted", "a\tb", "1\t$y$", "x = 1"]


def test_katex_and_the_colours_come_only_when_needed(phone_server: Server, open_phone: OpenPhone, guard: Guard) -> None:
    phone = open_phone(phone_server.port)
    show(phone, "Only **words**, and 5 $ or $6.")
    assert not [url for url in guard.asked if "katex" in url.lower() or "prism" in url]
    show(phone, "$x$")
    expect(phone.last.locator(".katex")).to_have_count(1)
    assert [url for url in guard.asked if "katex" in url.lower()]
    assert not [url for url in guard.asked if "prism" in url]
    show(phone, "```js\nlet a = 1;\n```")
    expect(phone.last.locator(".md-c-keyword")).to_have_text("let")
    assert [url for url in guard.asked if "prism" in url]


def test_finished_blocks_are_never_touched_again_and_a_selection_stays(phone_server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(phone_server.port)
    phone.say("Go\n\nFirst *paragraph* here.\n\n- one\n- two\n\nThe end **grows** " + "and grows " * 150)
    expect(phone.last.locator(".markdown")).to_contain_text("and grows")
    phone.page.evaluate(
        """() => {
            const parts = [...document.querySelector(".message.assistant .markdown").children];
            window.touched = 0;
            const watch = new MutationObserver(all => (touched += all.length));
            for (const part of parts.slice(0, 4)) watch.observe(part, { subtree: true, childList: true, characterData: true, attributes: true });
            getSelection().setBaseAndExtent(parts[1].querySelector(".md-i").firstChild, 2, parts[4].querySelector(".md-b").firstChild, 3);
        }"""
    )
    expect(phone.button("stop")).to_be_visible()
    phone.finished()
    assert phone.page.evaluate("touched") == 0
    selected: Any = phone.page.evaluate("getSelection().toString()")
    assert selected.startswith("ragraph here.")
    assert selected.endswith("gro")


def test_no_vector_does_anything(phone_server: Server, open_phone: OpenPhone) -> None:
    """Without the page's policy: it would hold back what this finds."""
    phone = open_phone(phone_server.port, bypass_csp=True)
    phone.page.evaluate(TRAPS)
    phone.page.on("dialog", lambda dialog: dialog.dismiss())
    scripts = phone.page.evaluate("document.scripts.length")
    for start in range(0, len(VECTORS), 60):
        # The server takes no NUL in what is said.
        root = show(phone, "\n\n".join(VECTORS[start : start + 60]).replace("\0", " "))
        assert root.evaluate(CHECK) == []
    phone.page.wait_for_timeout(500)  # for what an image or a timer would do later
    assert phone.page.evaluate("ran") == []
    assert phone.page.evaluate("document.forms.length") == 0
    assert len(phone.page.frames) == 1
    assert phone.page.evaluate("document.scripts.length") - scripts <= 4  # KaTeX and Prism may have come
