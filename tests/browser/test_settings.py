"""The settings, the picker and the context meter, as a person uses them on the real server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.chat import Chat
from tests.browser.conftest import OpenPage
from tests.chromium import LIMIT_MS, serious
from tests.end_to_end.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.process]

SECTIONS = ("sampling", "persona", "appearance", "data")
MODELS = """
[models.second]
engine = "fake"

[models.tiny]
engine = "fake"
context_window = 24
"""


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One with several models."""
    data = folder / "settings"
    data.mkdir()
    (data / "llmsite.toml").write_text(MODELS, encoding="utf-8")
    running = Server("uvicorn", data).start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.fixture
def paired(server: Server, open_page: OpenPage) -> Callable[..., Chat]:
    """Opens the page of a further device of the computer's own person."""

    def open_(name: str, **options: Any) -> Chat:
        chat = open_page(server.port, **options)
        request = chat.page.request
        code = request.post(f"{server.http}/api/pairing-codes", data={}).json()["code"]
        token = request.post(f"{server.http}/api/pair", data={"code": code, "name": name}).json()["token"]
        chat.page.context.add_cookies([{"name": "llmsite_device", "value": token, "url": server.http}])
        chat.reload()
        return chat

    return open_


def open_settings(page: Page, section: str) -> Locator:
    page.locator("#open-settings").click()
    page.locator(f"#settings-tab-{section}").click()
    shown = page.locator(f"#settings-page-{section}")
    expect(shown).to_be_visible()
    return shown


def close_settings(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator("dialog.settings")).to_be_hidden()


def stored(chat: Chat) -> dict[str, Any]:
    """The open conversation, as the server has it."""
    found: dict[str, Any] = chat.page.request.get(f"{chat.http}/api/conversations/{chat.conversation}").json()
    return found


def until(true: Callable[[], bool], page: Page) -> None:
    """The server hears of it a moment later."""
    end = time.monotonic() + LIMIT_MS / 1000
    while not true():
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def saved(page: Page) -> None:
    expect(page.locator(".settings-status")).to_have_text("Saved.")


# --- sampling --------------------------------------------------------------------------------------------------------------------


def test_values_stay_with_the_conversation_and_start_the_next(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    chat.ask("hello")
    panel = open_settings(page, "sampling")
    temperature = panel.get_by_role("textbox", name="Temperature")
    expect(temperature).to_have_value("0.7")
    panel.get_by_role("button", name="Precise").click()
    expect(temperature).to_have_value("0.2")
    expect(panel.get_by_role("button", name="Precise")).to_have_attribute("aria-pressed", "true")
    panel.get_by_role("slider", name="Temperature").press("ArrowRight")
    expect(temperature).to_have_value("0.25")
    expect(panel).to_contain_text("Precise, with changes.")
    panel.get_by_role("button", name="Another seed").click()
    saved(page)
    options = stored(chat)["options"]
    assert options == {"preset": "precise", "temperature": 0.25, "seed": options["seed"]}
    chat.reload()
    panel = open_settings(page, "sampling")
    expect(panel.get_by_role("textbox", name="Temperature")).to_have_value("0.25")
    close_settings(page)
    page.locator("a[data-new]").first.click()
    chat.ask("and now")
    expect(page.locator(".message.user")).to_have_count(1)
    panel = open_settings(page, "sampling")
    expect(panel.get_by_role("textbox", name="Temperature")).to_have_value("0.25")
    expect(panel.get_by_role("textbox", name="Seed")).to_have_value("")
    panel.get_by_role("button", name="Reset to the model’s own").click()
    saved(page)
    assert stored(chat)["options"] == {}


def test_what_is_being_typed_stays_when_the_server_answers_meanwhile(server: Server, open_page: OpenPage) -> None:
    """The dialog asks which models there are when it opens, and shows what it hears."""
    chat = open_page(server.port)
    held: list[Route] = []
    chat.page.route("**/api/models*", lambda route: held.append(route))
    panel = open_settings(chat.page, "sampling")
    limit, seed = (panel.get_by_role("textbox", name=name) for name in ("Longest answer", "Seed"))
    for field in (limit, seed):
        until(lambda: bool(held), chat.page)
        field.fill("3")
        with chat.page.expect_response("**/api/models*"):
            held.pop().continue_()
        chat.page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
        expect(field).to_have_value("3")
        field.press("Enter")
        close_settings(chat.page)
        open_settings(chat.page, "sampling")
        expect(field).to_have_value("3")


def test_a_new_conversation_is_answered_and_stored_with_what_was_set(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    panel = open_settings(chat.page, "sampling")
    expect(panel).to_contain_text("How new conversations are answered.")
    limit = panel.get_by_role("textbox", name="Longest answer")
    limit.fill("3")
    limit.press("Enter")
    close_settings(chat.page)
    chat.say("!say 20")
    expect(chat.last).to_contain_text("Cut at the length limit.")
    assert chat.text().split() == ["w0", "w1", "w2"]
    until(lambda: stored(chat)["options"] == {"max_tokens": 3}, chat.page)


def test_what_is_out_of_range_is_said_and_not_stored(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("hello")
    panel = open_settings(chat.page, "sampling")
    field = panel.get_by_role("textbox", name="Temperature")
    for typed, sentence in (("9", "This must lie between 0 and 2."), ("warm", "This must be a number.")):
        field.fill(typed)
        field.press("Enter")
        expect(panel.locator(".wrong:visible")).to_have_text(sentence)
        expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("0,9")
    field.press("Enter")
    expect(panel.locator(".wrong:visible")).to_have_count(0)
    saved(chat.page)
    assert stored(chat)["options"] == {"temperature": 0.9}


def test_what_the_computer_refuses_is_taken_back(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("hello")
    refusal = json.dumps({"code": "invalid", "message": "That is not possible."})
    chat.page.route("**/api/conversations/*", lambda route: answer_patch(route, status=422, body=refusal))
    panel = open_settings(chat.page, "sampling")
    panel.get_by_role("button", name="Creative").click()
    expect(chat.page.locator(".settings-status")).to_have_text("Not changed. That is not possible.")
    expect(panel.get_by_role("button", name="Creative")).to_have_attribute("aria-pressed", "false")
    expect(panel.get_by_role("textbox", name="Temperature")).to_have_value("0.7")


def test_offline_it_is_kept_and_stored_when_the_computer_is_back(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("hello")
    chat.page.context.set_offline(True)
    panel = open_settings(chat.page, "sampling")
    panel.get_by_role("button", name="Creative").click()
    expect(chat.page.locator(".settings-status")).to_contain_text("Kept here.")
    chat.page.context.set_offline(False)
    chat.reload()
    panel = open_settings(chat.page, "sampling")
    expect(panel.get_by_role("button", name="Creative")).to_have_attribute("aria-pressed", "true")
    until(lambda: stored(chat)["options"] == {"preset": "creative"}, chat.page)


def answer_patch(route: Route, **answer: Any) -> None:
    if route.request.method == "PATCH":
        route.fulfill(content_type="application/json", **answer)
    else:
        route.continue_()


def test_what_the_model_does_not_know_cannot_be_set(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)

    def narrow(route: Route) -> None:
        models = route.fetch().json()
        route.fulfill(json=[{**model, "parameters": ["temperature", "max_tokens"], "thinking": False} for model in models])

    chat.page.route("**/api/models", narrow)
    panel = open_settings(chat.page, "sampling")
    expect(panel.get_by_role("textbox", name="Number of words")).to_be_disabled()
    expect(panel.get_by_role("slider", name="Number of words")).to_be_disabled()
    expect(panel.locator("#sampling-top_k-why")).to_have_text("fake does not know this setting.")
    expect(panel.locator("#sampling-thinking-why")).to_have_text("fake cannot think before it answers.")
    expect(panel.get_by_role("textbox", name="Temperature")).to_be_enabled()


def test_thinking_and_stop_texts_reach_the_model(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    panel = open_settings(chat.page, "sampling")
    panel.get_by_role("button", name="On", exact=True).click()
    stops = panel.get_by_role("textbox", name="Stop texts")
    stops.fill("w9\n\\n\\n")
    close_settings(chat.page)
    chat.ask("!say 3")
    expect(chat.last.locator("summary")).to_have_count(1)
    until(lambda: stored(chat)["options"] == {"thinking": True, "stop": ["w9", "\n\n"]}, chat.page)


# --- persona, model, context ------------------------------------------------------------------------------------------------------


def test_the_owner_makes_changes_and_deletes_personas(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    panel = open_settings(page, "persona")
    panel.get_by_role("button", name="New persona").click()
    panel.get_by_role("button", name="Save").click()
    expect(panel.locator(".wrong:visible")).to_have_text("It needs a name.")
    panel.get_by_role("textbox", name="Name").fill("Pirate")
    panel.get_by_role("textbox", name="What for").fill("Talks of the sea")
    panel.get_by_role("textbox", name="System prompt").fill("You are a pirate.")
    panel.get_by_text("Sampling of this persona").click()
    panel.get_by_role("button", name="Creative").click()
    panel.get_by_role("button", name="Save").click()
    pirate = panel.get_by_role("button", name="Pirate Talks of the sea")
    pirate.click()
    expect(pirate).to_have_attribute("aria-pressed", "true")
    expect(panel.locator("form")).to_have_count(0)
    close_settings(page)
    expect(page.locator("#model")).to_contain_text("Pirate · fake")
    chat.ask("hello")
    persona = stored(chat)["persona"]
    made = {one["id"]: one for one in page.request.get(f"{server.http}/api/personas").json()}[persona]
    said = {"name": "Pirate", "description": "Talks of the sea", "system_prompt": "You are a pirate.", "options": {"preset": "creative"}}
    assert made == {"id": persona, **said}

    panel = open_settings(page, "persona")
    panel.get_by_role("button", name="Edit Pirate").click()
    panel.get_by_role("textbox", name="Name").fill("Captain")
    panel.get_by_role("button", name="Save").click()
    expect(panel.get_by_role("button", name="Captain Talks of the sea")).to_have_attribute("aria-pressed", "true")
    panel.get_by_role("button", name="Edit Captain").click()
    panel.get_by_role("button", name="Delete").click()
    panel.get_by_role("button", name="Delete: Sure?").click()
    expect(panel.get_by_role("button", name="Edit Captain")).to_have_count(0)
    expect(panel.get_by_role("button", name="None The model as it is.")).to_have_attribute("aria-pressed", "true")


def test_others_choose_personas_but_do_not_change_them(paired: Callable[..., Chat]) -> None:
    chat = paired("a phone")
    panel = open_settings(chat.page, "persona")
    expect(panel).to_contain_text("Personas are made and changed on the computer itself.")
    expect(panel.get_by_role("button", name="New persona")).to_be_hidden()
    expect(panel.locator(".choice-line .icon-button")).to_have_count(0)
    assert panel.locator(".choice").count() >= 3


def test_the_model_is_chosen_where_it_is_named(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    expect(page.locator("#model")).to_have_text("fake · on this computer, nothing leaves it")
    page.locator("#picker").click()
    popup = page.get_by_role("dialog", name="Who answers")
    second = popup.get_by_role("button", name=re.compile("^second"))
    expect(second).to_contain_text("Not loaded: it loads when you send.")
    second.click()
    expect(popup).to_be_hidden()
    expect(page.locator("#picker")).to_be_focused()
    expect(page.locator("#model")).to_contain_text("second")
    chat.ask("hello")
    found = stored(chat)
    assert found["model"] == "second"
    assert found["messages"][-1]["model"] == "second"
    page.locator("#picker").click()
    popup.get_by_role("button", name=re.compile("^fake")).click()
    chat.ask("again")
    assert stored(chat)["messages"][-1]["model"] == "fake"
    assert stored(chat)["model"] in ("", "fake")


def test_a_model_that_failed_says_why_and_cannot_be_chosen(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)

    def broken(route: Route) -> None:
        states = {"second": {"state": "failed", "why": "There is not enough memory for it."}, "tiny": {"state": "loading", "progress": 0.42}}
        route.fulfill(json=[{**model, **states.get(model["name"], {})} for model in route.fetch().json()])

    chat.page.route("**/api/models", broken)
    chat.page.locator("#picker").click()
    popup = chat.page.get_by_role("dialog", name="Who answers")
    expect(popup.get_by_role("button", name=re.compile("^second"))).to_contain_text("There is not enough memory for it.")
    expect(popup.get_by_role("button", name=re.compile("^second"))).to_be_disabled()
    expect(popup.get_by_role("button", name=re.compile("^tiny"))).to_contain_text("is loading, 42 %")
    chat.page.unroute("**/api/models")
    expect(popup.get_by_role("button", name=re.compile("^second"))).to_be_enabled()


def test_a_model_that_is_gone_is_said_to_be(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    page.locator("#picker").click()
    popup = page.get_by_role("dialog", name="Who answers")
    popup.get_by_role("button", name=re.compile("^second")).click()
    chat.ask("hello")
    page.route("**/api/models", lambda route: route.fulfill(json=[one for one in route.fetch().json() if one["name"] != "second"]))
    chat.reload()
    expect(page.locator("#model")).to_have_text("second: It is no longer there. Choose another model.")
    page.locator("#picker").click()
    popup.get_by_role("button", name=re.compile("^fake")).click()
    expect(page.locator("#model")).to_contain_text("fake · on this computer")
    chat.ask("again")
    assert stored(chat)["messages"][-1]["model"] == "fake"


def test_the_meter_warns_before_the_context_is_full(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    meter = page.locator("#meter")
    expect(meter).to_be_hidden()
    page.locator("#picker").click()
    page.get_by_role("dialog", name="Who answers").get_by_role("button", name=re.compile("^tiny")).click()
    chat.ask("one two")
    expect(meter).to_have_attribute("aria-label", re.compile(r"^\d+ % of the context is used$"))
    expect(page.locator("#meter-warning")).to_be_hidden()
    for _ in range(3):
        chat.ask("one two three four five six")
        if page.locator("#meter-warning").is_visible():
            break
    expect(page.locator("#meter-warning")).to_contain_text("oldest messages")
    meter.click()
    expect(page.get_by_role("dialog").filter(has_text="of 24 tokens")).to_contain_text("Nothing is deleted")


# --- appearance --------------------------------------------------------------------------------------------------------------------


def test_theme_and_size_hold_at_once_and_after_a_reload(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port, color_scheme="light")
    page = chat.page
    html = page.locator("html")
    panel = open_settings(page, "appearance")
    panel.get_by_role("radio", name="Dark").check()
    expect(html).to_have_attribute("data-theme", "dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(22, 24, 29)")
    panel.get_by_role("radio", name="Larger").check()
    expect(page.locator("body")).to_have_css("font-size", "21px")
    # Written by the server, so that the page never shows in another theme first.
    assert 'data-theme="dark"' in page.request.get(server.http).text()[:200]
    chat.reload()
    expect(page.locator("body")).to_have_css("font-size", "21px")
    panel = open_settings(page, "appearance")
    expect(panel.get_by_role("radio", name="Dark")).to_be_checked()
    panel.locator("fieldset").first.get_by_role("radio", name="As the system").check()
    assert html.get_attribute("data-theme") is None
    assert "data-theme" not in page.request.get(server.http).text()[:200]


def test_the_language_changes_and_what_is_being_written_stays(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    chat.field.fill("not sent yet")
    panel = open_settings(page, "appearance")
    panel.get_by_role("radio", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(chat.field).to_have_value("not sent yet")
    page.locator("#open-settings").click()
    expect(page.locator("#settings-title")).to_have_text("设置")
    page.get_by_role("radio", name="跟随浏览器").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(chat.field).to_have_value("not sent yet")


# --- data --------------------------------------------------------------------------------------------------------------------------


def test_all_conversations_are_exported(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    chat.ask("take me along")
    here = chat.conversation
    panel = open_settings(chat.page, "data")
    with chat.page.expect_download() as download:
        panel.get_by_role("button", name="Export all my conversations").click()
    file = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    items = chat.page.request.get(f"{server.http}/api/conversations?limit=200").json()["items"]
    assert len(file["conversations"]) == len(items)
    assert "take me along" in json.dumps(file["conversations"])
    expect(panel).to_contain_text(f"{len(items)} conversation")
    assert re.fullmatch(r"llmsite-\d{4}-\d\d-\d\d\.json", download.value.suggested_filename)
    assert here in {item["id"] for item in items}


def test_clearing_the_browser_warns_of_unsent_messages_and_forgets_all(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    chat.page.context.set_offline(True)
    chat.say("never sent")
    chat.field.fill("a draft")
    panel = open_settings(page, "data")
    expect(panel).to_contain_text("1 unsent message is lost with it.")
    chat.page.context.set_offline(False)
    page.route("**/ws/chat/**", lambda route: route.abort())
    panel.get_by_role("button", name="Clear this browser").click()
    with page.expect_navigation():
        panel.get_by_role("button", name="Clear this browser: Sure?").click()
    expect(page.locator("#hint")).not_to_be_empty()
    expect(chat.field).to_have_value("")
    left = page.evaluate("Object.keys(localStorage).filter(name => /outbox|draft|start|unsaved/.test(name))")
    assert left == []


def test_a_device_is_named_shuts_out_another_and_unpairs_itself(server: Server, paired: Callable[..., Chat]) -> None:
    paired("old tablet")
    phone = paired("my phone")
    panel = open_settings(phone.page, "data")
    name = panel.get_by_role("textbox", name="Name")
    expect(name).to_have_value("my phone")
    name.fill("pocket")
    name.press("Enter")
    expect(panel.locator(".devices li", has_text="pocket")).to_contain_text("this one")
    panel.get_by_role("button", name="Shut out old tablet").click()
    panel.get_by_role("button", name="Shut out old tablet: Sure?").click()
    expect(panel.locator(".devices li", has_text="old tablet")).to_contain_text("shut out")
    found = {one["name"]: one for one in phone.page.request.get(f"{server.http}/api/devices").json()}
    assert found["old tablet"]["revoked_at"]
    panel.get_by_role("button", name="Unpair this browser").click()
    panel.get_by_role("button", name="Unpair this browser: Sure?").click()
    phone.page.wait_for_url("**/pair/")
    assert phone.page.evaluate("localStorage.length") == 0


def test_a_phone_finds_the_way_to_the_phone_client_where_it_is_built(fresh: Callable[..., Server], open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>client</title>", encoding="utf-8")
    server = fresh(LLMSITE_PHONE_CLIENT=str(tmp_path))
    computer = open_settings(open_page(server.port).page, "data")
    expect(computer.get_by_role("link", name="Connect another device")).to_be_visible()
    expect(computer.get_by_role("link", name="Open the version for phones")).to_have_count(0)
    phone = open_page(server.port, user_agent="Mozilla/5.0 (iPhone)").page
    open_settings(phone, "data").get_by_role("link", name="Open the version for phones").click()
    expect(phone).to_have_title("client")


# --- everybody can use it ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1100, 760), (390, 844), (360, 640)], ids=["desktop", "phone", "small phone"])
def test_nothing_keeps_anybody_out(paired: Callable[..., Chat], scheme: Literal["light", "dark"], size: tuple[int, int]) -> None:
    narrow = size[0] < 600
    chat = paired("my phone", color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, has_touch=narrow, is_mobile=narrow)
    page = chat.page
    page.emulate_media(reduced_motion="reduce")
    for section in SECTIONS:
        panel = open_settings(page, section)
        if section == "data":
            expect(panel.get_by_role("textbox", name="Name")).to_be_visible()
        assert serious(page) == [], section
        assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth"), section
        for control in page.locator("dialog.settings button:visible, dialog.settings input:visible").all():
            box = control.bounding_box()
            assert box
            assert box["height"] >= 18, control.evaluate("e => e.outerHTML")
        close_settings(page)
    page.locator("#picker").click()
    assert serious(page) == []
    page.keyboard.press("Escape")


def test_the_keyboard_is_enough(server: Server, open_page: OpenPage) -> None:
    chat = open_page(server.port)
    page = chat.page
    page.locator("#open-settings").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#settings-tab-sampling")).to_be_focused()
    for section in ("persona", "appearance", "data", "sampling"):
        page.keyboard.press("ArrowDown")
        expect(page.locator(f"#settings-tab-{section}")).to_be_focused()
        expect(page.locator(f"#settings-page-{section}")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#settings-page-sampling")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".presets [aria-pressed='true']")).to_have_text("Balanced")
    page.keyboard.press("Escape")
    expect(page.locator("#open-settings")).to_be_focused()
    page.locator("#picker").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Who answers").get_by_role("button").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#picker")).to_be_focused()
