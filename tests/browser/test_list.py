"""The list of conversations: what a person finds there, does to it, and gets back."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DAY_S = 86_400


# --- what there is to list --------------------------------------------------------------------------------------------------------


def call(server: Server, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.http}/api/{path}", data=data, headers={"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def exported(title: str, said: str = "What is it?", answered: str = "It is this.") -> dict[str, Any]:
    rows = [("q", None, "user", said), ("a", "q", "assistant", answered)]
    messages = [{"id": name, "parent": parent, "role": role, "content": content} for name, parent, role, content in rows]
    return {"format": "llmsite-conversation", "version": 1, "title": title, "leaf": "a", "messages": messages}


def stored(server: Server, title: str, said: str = "What is it?", answered: str = "It is this.") -> str:
    return str(call(server, "POST", "conversations/import", exported(title, said, answered))["id"])


def many(server: Server, count: int, days_apart: float = 0.0) -> list[str]:
    """The newest first."""
    ids = [stored(server, f"number {i}") for i in range(count)]
    with sqlite3.connect(server.data / "llmsite.sqlite3", timeout=30) as database:
        for place, one in enumerate(ids):
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 60 - place * max(days_apart * DAY_S, 1)))
            database.execute("update chat_conversation set updated_at = ? where id = ?", (when, one.replace("-", "")))
    database.close()
    return ids


def named(prefix: str) -> str:
    return f"{prefix} {uuid.uuid4().hex[:6]}"


def row(page: Page, title: str) -> Locator:
    return page.locator("#list .row").filter(has=page.get_by_text(title, exact=True))


def menu_of(page: Page, title: str) -> Locator:
    row(page, title).hover()
    row(page, title).locator(".row-menu").click()
    return page.get_by_role("menu")


def choose(page: Page, title: str, name: str) -> None:
    menu_of(page, title).get_by_role("menuitem", name=name, exact=True).click()


def toast(page: Page, text: str) -> Locator:
    return page.locator(".toast").filter(has_text=text)


def titles(page: Page) -> list[str]:
    return page.locator("#list .row-title").all_text_contents()


@pytest.fixture
def refuse() -> Callable[[Page, str, str], None]:
    """Lets a server that cannot store answer requests of one method."""

    def install(page: Page, method: str, path: str = "**/api/conversations/**") -> None:
        def answer(route: Route) -> None:
            if route.request.method != method:
                return route.fallback()
            return route.fulfill(status=503, json={"code": "storage", "message": "The disk is full."})

        page.route(path, answer)

    return install


# --- renaming ---------------------------------------------------------------------------------------------------------------------


def test_rename_in_place(server: Server, open_page: OpenPage) -> None:
    before, after = named("before"), named("after")
    one = stored(server, before)
    page = open_page(server.port, f"/?c={one}").page
    expect(page.locator("#title")).to_have_text(before)
    choose(page, before, "Rename")
    field = page.get_by_label("New title")
    expect(field).to_be_focused()
    expect(field).to_have_value(before)
    field.fill("   ")
    field.press("Enter")
    expect(page.locator(".row-problem")).to_have_text("A title needs at least one character.")
    field.fill(f"  {after} ")
    field.press("Enter")
    expect(row(page, after).locator("a")).to_be_focused()
    expect(page.locator("#title")).to_have_text(after)
    expect(page).to_have_title(f"{after} · llmsite")
    page.reload()
    expect(row(page, after)).to_be_visible()
    assert call(server, "GET", f"conversations/{one}")["title"] == after


def test_escape_keeps_the_title_and_leaving_the_field_saves(server: Server, open_page: OpenPage) -> None:
    before, after = named("before"), named("after")
    stored(server, before)
    page = open_page(server.port).page
    choose(page, before, "Rename")
    page.keyboard.type("something else")
    page.keyboard.press("Escape")
    expect(row(page, before).locator("a")).to_be_focused()
    page.keyboard.press("F2")
    page.get_by_label("New title").fill(after)
    # While an input method composes, Enter belongs to it.
    page.get_by_label("New title").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(page.get_by_label("New title")).to_be_visible()
    page.locator("#field").click()
    expect(row(page, after)).to_be_visible()
    expect(page.get_by_label("New title")).to_have_count(0)


def test_a_title_that_is_refused_is_taken_back_with_a_sentence(server: Server, open_page: OpenPage, refuse: Callable[..., None]) -> None:
    before = named("before")
    stored(server, before)
    page = open_page(server.port).page
    refuse(page, "PATCH")
    choose(page, before, "Rename")
    page.keyboard.type("never stored")
    page.keyboard.press("Enter")
    expect(toast(page, "The title was not saved. The disk is full.")).to_be_visible()
    expect(row(page, before)).to_be_visible()
    expect(row(page, "never stored")).to_have_count(0)
    choose(page, before, "Pin")
    expect(toast(page, "This could not be pinned or unpinned. The disk is full.")).to_be_visible()
    expect(page.get_by_role("heading", name="Pinned")).to_have_count(0)


def test_what_another_page_does_shows_here_and_leaves_an_open_field_alone(server: Server, open_page: OpenPage) -> None:
    mine, theirs = named("mine"), named("theirs")
    stored(server, theirs)
    stored(server, mine)
    page = open_page(server.port).page
    other = open_page(server.port, within=page.context).page
    choose(page, mine, "Rename")
    page.keyboard.type("half a tit")
    choose(other, theirs, "Pin")
    expect(other.get_by_role("heading", name="Pinned")).to_be_visible()
    expect(row(page, theirs).get_by_label("Pinned")).to_be_visible()
    expect(page.get_by_label("New title")).to_have_value("half a tit")
    expect(page.get_by_label("New title")).to_be_focused()
    page.keyboard.type("le")
    page.keyboard.press("Enter")
    expect(row(other, "half a title")).to_be_visible()
    assert titles(page)[0] == theirs
    choose(other, theirs, "Unpin")
    expect(page.get_by_role("heading", name="Pinned")).to_have_count(0)
    choose(other, theirs, "Delete")
    expect(row(page, theirs)).to_have_count(0)


# --- deleting ---------------------------------------------------------------------------------------------------------------------


def test_delete_and_undo(server: Server, open_page: OpenPage) -> None:
    title = named("to go")
    one = stored(server, title)
    page = open_page(server.port, f"/?c={one}").page
    choose(page, title, "Delete")
    expect(row(page, title)).to_have_count(0)
    notice = toast(page, f"“{title}” deleted from your list.")
    expect(notice).to_contain_text("The owner of this computer keeps the record.")
    expect(notice.locator(".toast-count")).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator("#welcome")).to_be_visible()
    notice.get_by_role("button", name="Undo").click()
    expect(row(page, title)).to_be_visible()
    expect(page.locator(".message.user")).to_have_text(re.compile("What is it"))
    expect(toast(page, "is back in your list")).to_be_visible()
    page.reload()
    expect(row(page, title)).to_be_visible()


def test_several_deletions_are_undone_one_by_one_from_the_keyboard(server: Server, open_page: OpenPage) -> None:
    first, second, third = (named(name) for name in ("first", "second", "third"))
    for title in (first, second, third):  # the newest is on top
        stored(server, title)
    page = open_page(server.port).page
    row(page, third).locator("a").focus()
    for title in (third, second):
        expect(row(page, title).locator("a")).to_be_focused()
        page.keyboard.press("Delete")
    expect(row(page, first).locator("a")).to_be_focused()
    expect(page.get_by_role("button", name="Undo")).to_have_count(2)
    expect(
        page.locator("[role=status]", has_text=f"“{second}” deleted from your list. The owner of this computer keeps the record. Undo: Ctrl+Z")
    ).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(row(page, second).locator("a")).to_be_focused()
    expect(row(page, third)).to_have_count(0)
    while not page.evaluate("document.activeElement.closest('.toast')"):
        page.keyboard.press("Tab")
    expect(toast(page, third).get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row(page, third).locator("a")).to_be_focused()


def test_after_ten_seconds_it_stays_deleted(server: Server, open_page: OpenPage) -> None:
    title = named("to go")
    one = stored(server, title)
    page = open_page(server.port).page
    row(page, title).locator("a").focus()
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(seconds=30))
    page.keyboard.press("Delete")
    count = toast(page, title).locator(".toast-count")
    page.clock.run_for(3000)
    expect(count).to_have_text("7")
    toast(page, title).get_by_role("button", name="Undo").focus()
    page.clock.run_for(20_000)
    expect(count).to_have_text("7")
    row(page, title).or_(page.locator("#search")).first.focus()
    page.clock.run_for(7000)
    expect(page.locator(".toast")).to_have_count(0)
    with pytest.raises(urllib.error.HTTPError) as caught:
        call(server, "GET", f"conversations/{one}")
    caught.value.close()
    assert caught.value.code == 404


def test_what_cannot_be_deleted_comes_back_with_a_sentence(server: Server, open_page: OpenPage) -> None:
    title = named("to stay")
    stored(server, title)
    page = open_page(server.port).page
    expect(row(page, title)).to_be_visible()
    page.context.set_offline(True)
    choose(page, title, "Delete")
    notice = toast(page, f"“{title}” was not deleted.")
    expect(notice).to_be_visible()
    expect(row(page, title)).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    page.context.set_offline(False)
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_have_count(0)


# --- export and import ------------------------------------------------------------------------------------------------------------


def test_export_and_import_again(server: Server, open_page: OpenPage, tmp_path: Path) -> None:
    title = named("round trip")
    one = stored(server, title, said="Say <i>it</i>", answered="**It**")
    page = open_page(server.port).page
    files = []
    for name, ending in (("Export as Markdown", "md"), ("Export as JSON", "json")):
        with page.expect_download() as waiting:
            choose(page, title, name)
        assert waiting.value.suggested_filename == f"{title}.{ending}"
        files.append(tmp_path / waiting.value.suggested_filename)
        waiting.value.save_as(files[-1])
    assert "**It**" in files[0].read_text("utf-8")
    call(server, "DELETE", f"conversations/{one}")
    expect(row(page, title)).to_have_count(0)
    page.locator("#import-files").set_input_files(files)
    expect(toast(page, f"{title}.md is not a conversation that was exported as JSON here.")).to_be_visible()
    expect(row(page, title)).to_be_visible()
    toast(page, "1 conversation imported.").get_by_role("button", name="Open").click()
    expect(page.locator("#title")).to_have_text(title)
    expect(page.locator(".message.user .text")).to_have_text("Say <i>it</i>")


def test_files_are_dropped_on_the_list(server: Server, open_page: OpenPage) -> None:
    dropped, archived = named("dropped"), named("archived")
    page = open_page(server.port).page
    files = {
        "one.json": exported(dropped),
        "all.json": {"conversations": [exported(archived)]},
        "broken.json": exported("x") | {"messages": [{"id": 1}]},
    }
    data = page.evaluate_handle(
        """files => { const data = new DataTransfer();
        for (const [name, text] of Object.entries(files)) data.items.add(new File([text], name)); return data; }""",
        {name: json.dumps(value) for name, value in files.items()},
    )
    sidebar = page.locator("#sidebar")
    sidebar.dispatch_event("dragenter", {"dataTransfer": data})
    expect(page.get_by_text("Drop exported conversations here")).to_be_visible()
    sidebar.dispatch_event("drop", {"dataTransfer": data})
    expect(page.get_by_text("Drop exported conversations here")).to_be_hidden()
    expect(row(page, dropped)).to_be_visible()
    expect(row(page, archived)).to_be_visible()
    expect(toast(page, "broken.json was not imported. ")).to_be_visible()


# --- search -----------------------------------------------------------------------------------------------------------------------


def test_search_finds_titles_and_messages_and_opens_there(server: Server, open_page: OpenPage) -> None:
    word = f"w{uuid.uuid4().hex[:8]}"
    about = stored(server, f"About {word}")
    told = stored(server, named("told"), said=f"<img src=x onerror=alert(1)> {word} " + "line\n" * 300, answered="long ago")
    page = open_page(server.port).page
    page.keyboard.press("Control+k")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type(word.upper())
    results = page.locator("#results a")
    expect(results).to_have_count(2)
    expect(page.locator("#list-said")).to_have_text("2 results")
    expect(page.locator("#list")).to_be_hidden()
    assert [link.get_attribute("data-id") for link in results.all()] == [about, told]
    expect(page.locator("#results mark")).to_have_text([word, word])
    expect(results.nth(1)).to_contain_text("You: <img src=x onerror=alert(1)>")
    assert page.locator("#results img").count() == 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(results.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".message.user")).to_be_in_viewport()
    expect(page.locator(".message.user")).to_contain_text(word)
    expect(results).to_have_count(2)
    page.locator("#search").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#list")).to_be_visible()
    expect(page.locator("#search")).to_have_value("")
    expect(row(page, f"About {word}")).to_be_visible()


def test_enter_opens_the_first_result_even_before_it_is_there(server: Server, open_page: OpenPage) -> None:
    word = f"w{uuid.uuid4().hex[:8]}"
    stored(server, named("told"), said=f"the {word}")
    chat = open_page(server.port)
    chat.page.locator("#search").fill(word)
    chat.page.locator("#search").press("Enter")
    expect(chat.users).to_have_text([re.compile(word)])


def test_nothing_is_looked_for_while_an_input_method_composes(server: Server, open_page: OpenPage) -> None:
    unique = "".join(chr(0x4E00 + int(digit, 16) * 97) for digit in uuid.uuid4().hex[:6])
    told = stored(server, named("中文"), said=f"我们说的是{unique}这件事")
    page = open_page(server.port, locale="zh-CN").page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/search" in request.url else None)
    page.locator("#search").focus()
    client = page.context.new_cdp_session(page)
    client.send("Input.imeSetComposition", {"text": "wo", "selectionStart": 2, "selectionEnd": 2})
    page.wait_for_timeout(400)
    page.locator("#search").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    assert asked == []
    client.send("Input.insertText", {"text": unique[1:4]})
    result = page.locator("#results a").filter(has_text=unique)
    expect(result).to_have_attribute("data-id", told)
    expect(result.locator("mark").first).to_have_text(re.compile(f"^[{unique[1:4]}]+$"))
    assert len(asked) == 1
    expect(page.locator("#list-said")).to_contain_text("条结果")


def test_search_says_when_there_is_nothing_and_when_it_fails(server: Server, open_page: OpenPage) -> None:
    page = open_page(server.port).page
    search = page.locator("#search")
    search.fill("qqzzqqzz")
    expect(page.locator("#results")).to_have_text("Nothing found for “qqzzqqzz”.")
    page.context.set_offline(True)
    search.fill("qqzzqqz")
    expect(page.locator("#results")).to_contain_text("The search did not work.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#results")).to_have_text("Nothing found for “qqzzqqz”.")
    page.get_by_role("button", name="Clear the search").click()
    expect(page.locator("#list")).to_be_visible()


# --- a long list ------------------------------------------------------------------------------------------------------------------


def test_a_long_list_is_loaded_by_scrolling_and_its_rows_stay(fresh: Callable[..., Server], open_page: OpenPage) -> None:
    server = fresh()
    ids = many(server, 130, days_apart=0.5)
    page = open_page(server.port).page
    rows = page.locator("#list .row")
    expect(page.get_by_role("heading", name="Previous 7 days")).to_be_visible()
    assert rows.count() <= 100
    page.evaluate("for (const row of document.querySelectorAll('#list .row')) row.before = true")
    while page.locator(f"[data-id='{ids[-1]}']").count() == 0:
        page.locator("#list").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    expect(rows).to_have_count(130)
    assert page.evaluate("[...document.querySelectorAll('#list .row')].filter((row) => row.before).length") >= 50
    page.locator("#list").evaluate("list => { list.scrollTop = 3000; }")
    top = f"() => document.querySelector(\"[data-id='{ids[55]}']\").getBoundingClientRect().top"
    before = page.evaluate(top)
    stored(server, "the newest")
    expect(row(page, "the newest")).to_have_count(1)
    assert abs(page.evaluate(top) - before) < 1
    page.locator("#list").evaluate("list => { list.scrollTop = 0; }")
    expect(row(page, "the newest")).to_be_in_viewport()


def test_what_could_not_be_loaded_can_be_asked_for_again(fresh: Callable[..., Server], open_page: OpenPage) -> None:
    server = fresh()
    many(server, 60)
    page = open_page(server.port).page
    expect(page.locator("#list .row")).to_have_count(50)
    page.route("**/api/conversations?*cursor*", lambda route: route.abort())
    page.locator("#list").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    expect(page.locator(".list-end")).to_contain_text("The rest of the list could not be loaded.")
    page.unroute("**/api/conversations?*cursor*")
    page.locator("#list").get_by_role("button", name="Try again").click()
    expect(page.locator("#list .row")).to_have_count(60)
    expect(page.locator(".list-end")).to_be_empty()


# --- the keyboard -----------------------------------------------------------------------------------------------------------------


def test_a_walk_with_the_keyboard(fresh: Callable[..., Server], open_page: OpenPage) -> None:
    server = fresh()
    for title in ("third", "second", "first"):
        stored(server, title)
    page = open_page(server.port).page
    expect(page.locator("#list .row")).to_have_count(3)

    def focused(what: str) -> None:
        expect(page.locator(what)).to_be_focused()

    page.keyboard.press("Control+k")
    page.keyboard.press("Tab")
    expect(row(page, "first").locator("a")).to_be_focused()
    page.keyboard.press("End")
    expect(row(page, "third").locator("a")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(row(page, "second").locator("a")).to_be_focused()
    page.keyboard.press("Tab")
    expect(row(page, "second").locator(".row-menu")).to_be_focused()
    page.keyboard.press("Enter")
    focused(".menu-item:nth-child(1)")
    page.keyboard.press("ArrowUp")
    focused(".menu-item:nth-child(5)")
    page.keyboard.press("ArrowDown")
    focused(".menu-item:nth-child(1)")
    page.keyboard.press("p")
    focused(".menu-item:nth-child(2)")
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(row(page, "second").locator(".row-menu")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("p")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pinned")).to_be_visible()
    expect(row(page, "second").locator(".row-menu")).to_be_focused()
    assert titles(page) == ["second", "first", "third"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowUp")
    focused("#search")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("second")
    expect(row(page, "second").locator("a")).to_have_attribute("aria-current", "page")
    page.keyboard.press("Control+Shift+o")
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#field")).to_be_focused()


def test_the_menu_by_a_right_click_and_by_the_menu_key(server: Server, open_page: OpenPage) -> None:
    title = named("row")
    stored(server, title)
    page = open_page(server.port).page
    row(page, title).locator("a").click(button="right")
    expect(page.get_by_role("menu", name=f"Actions for “{title}”")).to_be_visible()
    page.mouse.click(900, 300)
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(row(page, title).locator("a")).to_be_focused()
    row(page, title).locator("a").dispatch_event("contextmenu")
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("menu")).to_have_count(0)


# --- beside the chat, and over it -------------------------------------------------------------------------------------------------


def test_it_is_hidden_beside_the_chat_and_that_is_remembered(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page, sidebar = chat.page, chat.page.locator("#sidebar")
    page.get_by_role("button", name="Close the list").click()
    expect(sidebar).to_be_hidden()
    expect(page.locator("#menu")).to_be_focused()
    expect(page.locator("#menu")).to_have_attribute("aria-expanded", "false")
    chat.reload()
    expect(sidebar).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(sidebar).to_be_visible()
    expect(page.locator("#search")).to_be_focused()
    chat.reload()
    expect(sidebar).to_be_visible()


def test_the_drawer_keeps_the_focus_and_closes_in_every_way(server: Server, open_page: OpenPage) -> None:
    title = named("in the drawer")
    stored(server, title)
    page = open_page(server.port, reduced_motion="reduce", **PHONE).page
    sidebar, menu = page.locator("#sidebar"), page.locator("#menu")

    def reopen() -> None:
        expect(sidebar).to_be_hidden()
        expect(menu).to_be_focused()
        menu.click()  # a tap right after a swipe only ends its momentum
        expect(page.locator("#close-menu")).to_be_focused()

    menu.tap()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !document.activeElement.closest('.page, .skip')")
    assert page.evaluate("document.querySelector('.page').inert")
    page.keyboard.press("Escape")
    reopen()
    page.mouse.click(380, 400)
    reopen()
    page.locator("#close-menu").tap()
    reopen()
    swipe(page, (250, 400), (60, 410))
    reopen()
    swipe(page, (250, 400), (235, 300))  # that is scrolling
    expect(sidebar).to_be_visible()
    row(page, title).locator("a").tap()
    expect(sidebar).to_be_hidden()
    expect(page.locator("#title")).to_have_text(title)
    assert not page.evaluate("document.querySelector('.page').inert")


def swipe(page: Page, begin: tuple[int, int], end: tuple[int, int], steps: int = 6) -> None:
    client = page.context.new_cdp_session(page)
    send = lambda kind, points: client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})  # noqa: E731
    send("touchStart", [{"x": begin[0], "y": begin[1]}])
    for step in range(1, steps + 1):
        x, y = (begin[axis] + (end[axis] - begin[axis]) * step / steps for axis in (0, 1))
        send("touchMove", [{"x": x, "y": y}])
    send("touchEnd", [])
    client.detach()


def test_a_long_press_opens_the_menu_and_nothing_else(server: Server, open_page: OpenPage) -> None:
    title = named("pressed")
    stored(server, title)
    page = open_page(server.port, reduced_motion="reduce", **PHONE).page
    page.locator("#menu").tap()
    expect(row(page, title).locator(".row-menu")).to_have_css("opacity", "1")
    box = row(page, title).locator("a").bounding_box()
    assert box
    client = page.context.new_cdp_session(page)
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": box["x"] + 60, "y": box["y"] + 20}]})
    expect(page.get_by_role("menu")).to_be_visible()
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.get_by_role("menu")).to_be_visible()
    expect(page.locator("#welcome")).to_be_visible()
    page.get_by_role("menuitem", name="Rename").tap()
    expect(page.get_by_label("New title")).to_be_focused()


def test_an_answer_that_runs_is_told_in_words_too(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    title = named("!say 400")
    chat.say(title)
    chat.streaming()
    page.get_by_role("link", name="New chat").first.click()
    running = row(page, title)
    expect(running.get_by_role("img", name="An answer is being written")).to_be_visible()
    running.locator("a").click()
    chat.stop()
    chat.finished()
    expect(running.get_by_role("img", name="An answer is being written")).to_have_count(0)
    expect(running.locator(".row-preview")).to_contain_text("w0 w1")


# --- for everybody ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [{"width": 1000, "height": 700}, {"width": 360, "height": 640}, {"width": 640, "height": 360}], ids=["wide", "phone", "zoomed"]
)
@pytest.mark.parametrize(("locale", "scheme"), [("en", "light"), ("zh-CN", "dark"), ("en", "dark")])
def test_axe_finds_nothing_serious(server: Server, open_page: OpenPage, locale: str, scheme: Literal["light", "dark"], size: dict[str, int]) -> None:
    title = named("axe")
    one = stored(server, title, said="to be found")
    page = open_page(server.port, f"/?c={one}", locale=locale, color_scheme=scheme, viewport=size, reduced_motion="reduce").page

    def check(state: str) -> None:
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert not found, (state, [(v["id"], [node["html"] for node in v["nodes"]]) for v in found])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state

    if page.locator("#menu").is_visible():
        page.locator("#menu").click()
    check("list")
    menu_of(page, title)
    check("menu")
    page.keyboard.press("Enter")
    check("rename")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    check("an empty title")
    page.keyboard.press("Escape")
    page.locator("#search").fill("found")
    expect(page.locator("#results mark").first).to_be_visible()
    check("results")
    page.locator("#search").press("Escape")
    row(page, title).locator("a").focus()
    page.keyboard.press("Delete")
    expect(page.locator(".toast")).to_be_visible()
    check("deleted")
