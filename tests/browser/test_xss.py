"""What a model may say, and what a person may paste, does nothing to the page: with its content policy, and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.answers import Answers
from tests.browser.chat import Chat
from tests.browser.xss_vectors import ENDLESS, HTML, VECTORS
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

TRAPS = """
window.ran = [];
for (const name of ["alert", "confirm", "prompt", "print", "open", "msgbox"]) {
  window[name] = (...given) => ran.push(`${name}(${given})`);
}
"""

CHECK = r"""
root => {
  const lines = "A BR CODE DEL EM KBD SMALL SPAN STRONG SUB SUP";
  const blocks = "BLOCKQUOTE DIV H3 H4 H5 H6 HR LI OL P PRE SECTION TABLE TBODY TD TH THEAD TR UL";
  const html = new Set(`${lines} ${blocks}`.split(" "));
  const plain = new Set("class href rel target title start tabindex role aria-label data-align".split(" "));
  const wrong = [];
  for (const element of root.querySelectorAll("*")) {
    const formula = element.closest(".md-formula");
    const name = element.tagName;
    const copy = name === "BUTTON" && element.matches(".md-copy") && element.type === "button";
    const box = name === "INPUT" && element.type === "checkbox" && element.disabled;
    const drawn = formula && /^(span|svg|path|line|g|math|semantics|annotation|m[a-z]+)$/i.test(name) && name !== "META" && name !== "MARQUEE";
    if (!html.has(name) && !copy && !box && !drawn) wrong.push(`element ${name}`);
    for (const { name: attribute, value } of element.attributes) {
      const allowed = plain.has(attribute) || (box && ["type", "checked", "disabled"].includes(attribute)) || (copy && attribute === "type");
      if (!allowed && !drawn) wrong.push(`attribute ${attribute}=${value}`);
      if (/^on|^id$|^name$|src|href/i.test(attribute) && attribute !== "href") wrong.push(`attribute ${attribute}`);
      if (attribute === "href" && !/^(https?:\/\/|mailto:)/.test(value)) wrong.push(`href ${value}`);
      if (attribute === "style" && (!drawn || /url|position:\s*(fixed|sticky)|expression|image/i.test(value))) wrong.push(`style ${value}`);
      const ours = value.split(" ").every(one => /^(md-[a-z-]+|c-[a-z-]+|text-button|)$/.test(one));
      if (attribute === "class" && !formula && !ours) wrong.push(`class ${value}`);
    }
    if (name === "A" && !(element.rel.includes("noopener") && element.target === "_blank")) wrong.push("a link that keeps its opener");
  }
  for (const text of root.querySelectorAll(".katex-mathml annotation")) if (text.children.length) wrong.push("elements in an annotation");
  return wrong;
}
"""

# What the rest of the page looks like, and where: nothing of it may change.
LOOK = """() => ["#field", "#send", "#title", ".top", ".bottom", "#sidebar", "body"].map(name => {
  const element = document.querySelector(name), style = getComputedStyle(element), box = element.getBoundingClientRect();
  const shown = [style.display, style.backgroundColor, style.backgroundImage, style.color, style.fontFamily, style.position];
  return [name, ...shown, box.x, box.y, box.width, box.height];
})"""

PRESS = """root => {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches("a, .md-copy")) continue;
    for (const kind of ["mouseover", "pointerenter", "focus", "click", "input", "toggle", "animationstart"]) {
      element.dispatchEvent(new Event(kind, { bubbles: true }));
    }
  }
}"""


class Watched:
    """A page that notes whatever it should not do."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.add_init_script(TRAPS)
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: self.wrong.append(f"window {popup.url}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        page.on("request", lambda request: self._asked(request.url, request.resource_type, origin))
        page.on("framenavigated", lambda frame: self.wrong.append(f"went to {frame.url}") if not frame.url.startswith(origin) else None)
        page.on("console", lambda message: self.wrong.append(message.text) if "Content Security Policy" in message.text else None)

    def _asked(self, url: str, kind: str, origin: str) -> None:
        """The page's own files, and what its own code asks the server for."""
        own = url.startswith(f"{origin}/static/chat/") or (kind in ("fetch", "xhr", "document") and url.startswith(f"{origin}/"))
        if not own:
            self.wrong.append(f"asked for {url} ({kind})")

    def check(self) -> None:
        assert self.wrong == []
        assert self.page.evaluate("ran") == []
        assert len(self.page.frames) == 1


Open = Callable[[bool], tuple[Answers, Watched]]


@pytest.fixture
def watched(browser: Browser, server: Server) -> Iterator[Open]:
    contexts = []

    def open_(with_policy: bool) -> tuple[Answers, Watched]:
        context = browser.new_context(bypass_csp=not with_policy, viewport={"width": 1000, "height": 700}, locale="en")
        contexts.append(context)
        page = context.new_page()
        watch = Watched(page, server.http)
        answers = Answers(page, server.http)
        return answers, watch

    yield open_
    for context in contexts:
        context.close()


POLICY = pytest.mark.parametrize("with_policy", [True, False], ids=["with the policy", "without"])


@POLICY
def test_no_vector_does_anything(watched: Open, with_policy: bool) -> None:
    answers, watch = watched(with_policy)
    before = answers.page.evaluate(LOOK)
    clobbered = answers.page.evaluate("Object.keys(window).length")
    found: dict[str, Any] = {}
    for vector in VECTORS:
        for root in (answers.show(vector), answers.stream(f"before {vector} after", 5), answers.stream(vector, 3)):
            wrong = root.evaluate(CHECK)
            if wrong:
                found[vector] = wrong
    answers.settled()
    for root in answers.page.query_selector_all(".markdown"):
        root.evaluate(PRESS)
        wrong = root.evaluate(CHECK)
        if wrong:
            found[root.text_content() or ""] = wrong
    answers.page.wait_for_timeout(500)  # for what an image or a timer would do later
    assert found == {}
    watch.check()
    assert answers.page.evaluate(LOOK) == before
    assert answers.page.evaluate("Object.keys(window).length") == clobbered
    assert answers.page.evaluate("document.forms.length") == 1
    assert answers.page.evaluate("document.styleSheets.length + document.scripts.length") <= 40


def test_all_in_one_answer(watched: Open) -> None:
    answers, watch = watched(False)
    root = answers.stream("\n\n".join(VECTORS), 97)
    answers.settled()
    assert root.evaluate(CHECK) == []
    watch.check()


def test_the_sanitiser_holds_by_itself(watched: Open) -> None:
    """Even if the drawing made elements of them: what comes out of the sanitiser does nothing."""
    answers, watch = watched(False)
    answers.page.evaluate("async () => { window.purify = await import('/static/chat/markdown/purify.js') }")
    for way in ("sanitise", "sanitiseFormula"):
        for vector in HTML:
            root = answers.page.evaluate_handle(
                """([way, html]) => {
                    const parsed = new DOMParser().parseFromString(html, "text/html");
                    const root = parsed.createElement(way === "sanitise" ? "div" : "span");
                    root.append(...parsed.body.childNodes);
                    purify[way](root);
                    const here = document.createElement("article");
                    here.append(root);
                    if (way === "sanitiseFormula") root.className = "md-formula";
                    document.getElementById("thread").append(here);
                    return here;
                }""",
                [way, vector],
            ).as_element()
            assert root
            # A formula may have styles and classes, which only KaTeX writes.
            wrong = [
                one
                for one in root.evaluate(CHECK)
                if not one.startswith(("a link that keeps", "class") if way == "sanitiseFormula" else "a link that keeps")
            ]
            assert way == "sanitiseFormula" or wrong == [], vector
            assert not [one for one in wrong if one.startswith(("href", "attribute on", "attribute src"))], vector
    answers.page.wait_for_timeout(300)
    watch.check()


LINKS = {
    "[https://google.com](https://evil.example/x)": "https://google.com (evil.example)",
    "[google.com](https://evil.example)": "google.com (evil.example)",
    "[Log in at paypal.com](https://evil.example)": "Log in at paypal.com (evil.example)",
    "[ｇｏｏｇｌｅ.com](https://evil.example)": "ｇｏｏｇｌｅ.com (evil.example)",
    "[google.com](https://google.com@evil.example)": "google.com (evil.example)",
    "[me@bank.example](mailto:you@evil.example)": "me@bank.example (you@evil.example)",
    "[https://google.com/](https://www.google.com/maps)": "https://google.com/",
    "https://пример.example/a": "https://пример.example/a",
    "[the manual](https://docs.python.org)": "the manual",
    "[a](javascript:alert(1))": "a (javascript:alert(1))",
    "[a](/admin/)": "a (/admin/)",
    "![a cat](https://evil.example/cat.png)": "a cat",
    "![a cat](data:image/png;base64,AAAA)": "[Picture: a cat]",
}


def test_a_link_says_where_it_leads(watched: Open) -> None:
    answers, watch = watched(True)
    for text, shown in LINKS.items():
        assert answers.show(text).inner_text() == shown
    link = answers.show("[x](https://docs.python.org/3/?q=1#a)").query_selector("a")
    assert link.get_attribute("title") == "https://docs.python.org/3/?q=1#a"
    assert set(link.get_attribute("rel").split()) == {"noopener", "noreferrer", "nofollow"}
    watch.check()


def test_a_formula_stays_inside_its_message(watched: Open) -> None:
    answers, watch = watched(True)
    answers.show("First.")
    answers.show(r"$\raisebox{20em}{\rule{20em}{20em}}$ and $\kern{-20em}\rule{20em}{20em}$ and " + "a" + "\u0301" * 500)
    answers.settled()
    contained = answers.page.evaluate("[...document.querySelectorAll('.markdown')].map(one => getComputedStyle(one).contain)")
    assert set(contained) == {"paint"}
    hit = answers.page.evaluate(
        """() => {
            const box = document.querySelector(".top").getBoundingClientRect();
            return document.elementFromPoint(box.x + box.width / 2, box.y + 10).closest(".markdown");
        }"""
    )
    assert hit is None
    watch.check()


MEASURE = """text => {
  const began = performance.now();
  const first = answer();
  stream(first, text, Infinity);
  const whole = performance.now() - began;
  const made = answer();
  const grown = [0.9, 0.97, 0.98, 0.99].map(share => {
    const start = performance.now();
    made.update(text.slice(0, Math.floor(text.length * share)), true);
    return performance.now() - start;
  });
  return [whole, ...grown];
}"""


def test_nothing_hangs_the_page(watched: Open) -> None:
    """A whole answer at once, and the last pieces of one that grows: bounded, also on a busy machine, and the page still answers."""
    answers, watch = watched(True)
    took = {}
    for name, text in ENDLESS.items():
        took[name] = [round(ms) for ms in answers.page.evaluate(MEASURE, text)]
        answers.settled()
        answers.page.evaluate("document.getElementById('thread').replaceChildren()")
    slow = {name: all_ms for name, all_ms in took.items() if max(all_ms) > 4000 or max(all_ms[2:]) > 1500}
    assert slow == {}, took
    watch.check()


def test_the_page_itself_shows_what_was_said_as_text(server: Server, open_page: Callable[..., Chat]) -> None:
    chat = open_page(server.port)
    said = "<img src=x onerror=alert(1)> [a](javascript:alert(1)) <style>body{display:none}</style> **bold**"
    chat.page.evaluate("() => { window.alert = () => document.body.append('it ran') }")
    chat.ask(said)
    expect(chat.users.last.locator(".text")).to_have_text(said)
    assert (
        chat.last.locator(".text").inner_text() == "echo: <img src=x onerror=alert(1)> a (javascript:alert(1)) <style>body{display:none}</style> bold"
    )
    chat.page.locator("#field").evaluate(
        """field => { const data = new DataTransfer();
        data.setData("text/html", "<img src=x onerror=alert(1)><b>x</b>"); data.setData("text/plain", "plain");
        field.focus(); field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })) }"""
    )
    assert chat.page.locator("#composer img, #composer b").count() == 0
    assert "it ran" not in (chat.page.locator("body").text_content() or "")
