"""The phone client's settings, the picker and the context meter, as a person uses them on a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.chromium import NETWORK_FAILS, Guard, serious
from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import Server
from tests.end_to_end.store import Store
from tests.phone.conftest import OpenBrowser, OpenPhone
from tests.phone.phone import Phone
from tests.proxy import Proxy

pytestmark = [pytest.mark.browser, pytest.mark.process]

SECTIONS = ("", "model", "persona", "sampling", "computer", "data", "about")
MODELS = """
[models.second]
engine = "fake"

[models.tiny]
engine = "fake"
context_window = 24
"""

OpenPaired = Callable[..., Phone]


@pytest.fixture(scope="module")
def server(h5: Path, folder: Path) -> Iterator[Server]:
    """One with several models."""
    data = folder / "settings"
    data.mkdir()
    (data / "llmsite.toml").write_text(MODELS, encoding="utf-8")
    running = Server("uvicorn", data, environment={"LLMSITE_PHONE_CLIENT": str(h5)}).start()
    try:
        yield running
        running.check_log()
    finally:
        running.kill()


@pytest.fixture
def paired(server: Server, open_browser: OpenBrowser) -> OpenPaired:
    """Opens the client of somebody's phone that is paired, a further device of the computer's own person."""

    def open_(name: str, *, port: int = 0, **options: Any) -> Phone:
        page = open_browser(stranger=True, **options)
        page.context.add_cookies([{"name": "llmsite_device", "value": token(page, server, name), "url": server.http}])
        return Phone(page, f"http://127.0.0.1:{port or server.port}", options.get("locale", "en")).open()

    return open_


def token(page: Page, server: Server, name: str) -> str:
    """Of a new device. The code is the computer's own, so it must not be asked for as a stranger."""
    with page.context.browser.new_context() as own:  # type: ignore[union-attr]
        code = own.request.post(f"{server.http}/api/pairing-codes", data={}).json()["code"]
        paired: str = own.request.post(f"{server.http}/api/pair", data={"code": code, "name": name}).json()["token"]
    return paired


def go(phone: Phone, section: str = "") -> Locator:
    """From the chat to the settings, or on to one of their sections."""
    if "/settings" not in phone.page.url:
        phone.open_settings()
    if section:
        phone.page.locator(f"[data-section={section}]").get_by_role("button").first.tap()
        expect(phone.page).to_have_url(re.compile(f"section={section}"))
    return phone.page.locator("[role=main]:visible")


def leave(phone: Phone) -> None:
    """Back to the chat, page by page."""
    while "/settings" in phone.page.url:
        before = phone.page.url
        phone.button("Back").tap()
        expect(phone.page).not_to_have_url(before)
    phone.ready()


def parameter(phone: Phone, name: str) -> Locator:
    return phone.page.locator(f"[data-parameter={name}]")


def conversation(phone: Phone) -> dict[str, Any]:
    """The newest one, as the server has it."""
    found: dict[str, Any] = phone.api(f"conversations/{phone.api('conversations')['items'][0]['id']}")
    return found


# --- sampling --------------------------------------------------------------------------------------------------------------------


def test_values_reach_the_server_and_start_the_next_conversation(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    phone.ask("hello")
    go(phone, "sampling")
    temperature = parameter(phone, "temperature")
    field = temperature.get_by_role("textbox", name="Temperature")
    expect(field).to_have_value("0.7")
    phone.button("Precise Keeps to what is likeliest: for facts, sums and code.").tap()
    expect(field).to_have_value("0.2")
    expect(temperature).to_contain_text("from the preset")
    temperature.get_by_role("slider").press("ArrowRight")
    expect(field).to_have_value("0.25")
    expect(temperature).to_contain_text("set here")
    expect(phone.page.locator("[data-section=sampling]")).to_contain_text("Precise, with changes.")
    phone.button("Another seed").tap()
    phone.until(lambda: set(conversation(phone)["options"]) == {"preset", "temperature", "seed"})
    options = conversation(phone)["options"]
    assert (options["preset"], options["temperature"]) == ("precise", 0.25)

    leave(phone)
    phone.ask("and again")
    audit = Store(server).rows("SELECT sampling FROM chat_run ORDER BY created_at DESC LIMIT 1")
    sampling = json.loads(audit[0][0])
    assert (sampling["temperature"], sampling["top_k"], sampling["seed"]) == (0.25, 20, options["seed"])

    phone.new_chat()
    go(phone, "sampling")
    expect(field).to_have_value("0.25")
    expect(parameter(phone, "seed").get_by_role("textbox")).to_have_value("")
    temperature.get_by_role("button", name="Reset Temperature").tap()
    expect(field).to_have_value("0.2")
    phone.button("Reset to the model’s own").tap()
    expect(field).to_have_value("0.7")
    expect(phone.button("Reset to the model’s own")).to_have_count(0)


def test_a_new_conversation_is_answered_and_stored_with_what_was_set(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    go(phone, "sampling")
    parameter(phone, "max_tokens").get_by_role("textbox").fill("3")
    parameter(phone, "max_tokens").get_by_role("textbox").press("Enter")
    parameter(phone, "thinking").get_by_role("switch").tap()
    expect(parameter(phone, "thinking").get_by_role("switch")).to_have_attribute("aria-checked", "true")
    parameter(phone, "stop").get_by_role("textbox").fill("w9\n\\n\\n")
    leave(phone)
    phone.say("!say 20")
    phone.finished()
    expect(phone.last.locator(".thinking")).to_have_count(1)
    phone.until(lambda: conversation(phone)["options"] == {"max_tokens": 3, "thinking": True, "stop": ["w9", "\n\n"]})
    go(phone, "sampling")
    parameter(phone, "thinking").get_by_role("switch").tap()
    parameter(phone, "max_tokens").get_by_role("button", name="Reset Longest answer").tap()
    leave(phone)
    phone.ask("!say 3")
    expect(phone.last.locator(".thinking")).to_have_count(0)
    phone.until(lambda: conversation(phone)["options"] == {"thinking": False, "stop": ["w9", "\n\n"]})


def test_what_is_out_of_range_is_said_and_not_stored(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    phone.ask("hello")
    go(phone, "sampling")
    one = parameter(phone, "temperature")
    field = one.get_by_role("textbox")
    for typed, sentence in (("9", "This must lie between 0 and 2."), ("warm", "This must be a number.")):
        field.fill(typed)
        field.press("Enter")
        expect(one.get_by_role("alert")).to_have_text(sentence)
        expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("0,9")
    field.press("Enter")
    expect(one.get_by_role("alert")).to_have_count(0)
    phone.until(lambda: conversation(phone)["options"] == {"temperature": 0.9})


def test_a_finger_slides_and_scrolls(server: Server, open_phone: OpenPhone) -> None:
    """A tap and a move along the slider set it; a move across it, to scroll the page, does not."""
    phone = open_phone(server.port)
    go(phone, "sampling")
    slider = parameter(phone, "temperature").get_by_role("slider")
    field = parameter(phone, "temperature").get_by_role("textbox")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    slider.tap(position={"x": box["width"] / 2, "y": box["height"] / 2})
    expect(field).to_have_value("1")
    touch = phone.page.context.new_cdp_session(phone.page)

    def finger(kind: str, x: float, y: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    start = box["x"] + box["width"] / 2
    finger("touchStart", start, middle)
    for step in range(1, 20):
        finger("touchMove", start + 12 * step, middle)
    finger("touchEnd", 0, 0)
    expect(field).to_have_value("2")
    finger("touchStart", start, middle)
    for step in range(1, 20):
        finger("touchMove", start, middle - 12 * step)
    finger("touchEnd", 0, 0)
    phone.until(lambda: (slider.bounding_box() or box)["y"] < box["y"] - 50)
    expect(field).to_have_value("2")


def test_offline_it_is_kept_and_stored_when_the_computer_is_back(server: Server, open_phone: OpenPhone, guard: Guard) -> None:
    guard.expected += NETWORK_FAILS
    phone = open_phone(server.port)
    phone.ask("hello")
    phone.loaded("settings-settings")
    phone.page.context.set_offline(True)
    go(phone, "sampling")
    phone.page.locator(".preset", has_text="Creative").tap()
    expect(phone.page.locator(".bar-said")).to_contain_text("Kept here.")
    phone.page.context.set_offline(False)
    phone.page.reload()
    phone.until(lambda: conversation(phone)["options"] == {"preset": "creative"})


def test_what_the_computer_refuses_is_taken_back(server: Server, open_phone: OpenPhone, guard: Guard) -> None:
    guard.expected.append("422")
    phone = open_phone(server.port)
    phone.ask("hello")
    refusal = json.dumps({"code": "invalid", "message": "That is not possible."})

    def refuse(route: Any) -> None:
        if route.request.method == "PATCH":
            route.fulfill(status=422, content_type="application/json", body=refusal)
        else:
            route.continue_()

    phone.page.route("**/api/conversations/*", refuse)
    go(phone, "sampling")
    creative = phone.page.locator(".preset", has_text="Creative")
    creative.tap()
    expect(phone.page.locator(".bar-said")).to_have_text("Not changed. That is not possible.")
    expect(creative).to_have_attribute("aria-pressed", "false")


def test_what_the_model_does_not_know_cannot_be_set(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    # Asked once: a page that is closed while its question is passed on would fail the test that comes next.
    narrow = [{**model, "parameters": ["temperature", "max_tokens"], "thinking": False} for model in phone.api("models")]
    phone.page.route("**/api/models", lambda route: route.fulfill(json=narrow))
    go(phone, "sampling")
    top_k = parameter(phone, "top_k")
    expect(top_k).to_contain_text("fake does not know this setting.")
    expect(top_k.get_by_role("textbox")).to_be_disabled()
    expect(top_k.get_by_role("slider")).to_have_attribute("aria-disabled", "true")
    expect(parameter(phone, "thinking")).to_contain_text("fake cannot think before it answers.")
    expect(parameter(phone, "thinking").get_by_role("switch")).to_have_attribute("aria-disabled", "true")
    expect(parameter(phone, "temperature").get_by_role("textbox")).to_be_enabled()


# --- persona, model, context ------------------------------------------------------------------------------------------------------


def test_persona_and_model_hold_for_the_conversation(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    phone.page.locator(".picker-button").tap()
    sheet = phone.page.get_by_role("dialog", name="Who answers")
    expect(sheet).to_contain_text("Not loaded: it loads when you send.")
    sheet.get_by_role("button", name=re.compile("^second")).tap()
    expect(sheet).to_have_count(0)
    go(phone, "persona")
    phone.page.locator(".persona", has_text="Teacher").tap()
    leave(phone)
    expect(phone.page.locator(".picker-line")).to_have_text(re.compile("^Teacher .* · second$"))
    phone.ask("hello")
    stored = conversation(phone)
    personas = {one["id"]: one["name"] for one in phone.api("personas")}
    assert personas[stored["persona"]].startswith("Teacher")
    assert (stored["model"], stored["messages"][-1]["model"]) == ("second", "second")

    go(phone, "model")
    phone.page.locator(".model", has_text="fake").tap()
    leave(phone)
    phone.ask("and now")
    assert conversation(phone)["messages"][-1]["model"] == "fake"
    phone.page.locator(".picker-button").tap()
    sheet.get_by_role("button", name=re.compile("^None")).tap()
    phone.until(lambda: conversation(phone)["persona"] is None)


def test_the_meter_warns_before_the_context_is_full(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    meter = phone.page.locator(".meter-button")
    expect(meter).to_have_count(0)
    phone.page.locator(".picker-button").tap()
    phone.page.get_by_role("dialog").get_by_role("button", name=re.compile("^tiny")).tap()
    phone.ask("one two")
    expect(meter).to_have_attribute("aria-label", re.compile(r"^\d+ % of the context is used$"))
    for _ in range(3):
        phone.ask("one two three four five six")
    meter.tap()
    sheet = phone.page.get_by_role("dialog", name="Context")
    expect(sheet).to_contain_text("of 24 tokens")
    expect(sheet).to_contain_text("Nothing is deleted")
    phone.page.go_back()
    expect(sheet).to_have_count(0)
    expect(phone.field).to_be_visible()


# --- appearance --------------------------------------------------------------------------------------------------------------------


def test_theme_holds_at_once_after_a_reload_and_on_the_chat_page(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port, color_scheme="light")
    page = phone.page
    go(phone)
    theme = page.get_by_role("radiogroup", name="Theme")
    theme.get_by_role("radio", name="Dark").tap()
    expect(theme.get_by_role("radio", name="Dark")).to_have_attribute("aria-checked", "true")
    expect(page.locator(".page")).to_have_css("background-color", "rgb(22, 24, 29)")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator(".page")).to_have_css("background-color", "rgb(22, 24, 29)")
    page.goto(server.http)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("#open-settings").click()
    page.locator("#settings-tab-appearance").click()
    page.get_by_role("radio", name="Light").check()
    phone.open()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    go(phone)
    theme.get_by_role("radio", name="System").tap()
    assert page.locator("html").get_attribute("data-theme") is None
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".page")).to_have_css("background-color", "rgb(22, 24, 29)")


def test_the_language_changes_at_once_and_for_all_pages(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    page = phone.page
    phone.field.fill("not sent yet")
    go(phone)
    page.get_by_role("radio", name="简体中文").tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("设置")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.get_by_role("button", name="返回").tap()
    expect(phone.field).to_have_value("not sent yet")
    expect(page.get_by_role("button", name="发送")).to_be_visible()
    page.goto(server.http)
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.locator("#open-settings").click()
    page.locator("#settings-tab-appearance").click()
    page.get_by_role("radio", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    phone.open()
    go(phone)
    expect(page.get_by_role("radiogroup", name="Language").get_by_role("radio", name="English")).to_have_attribute("aria-checked", "true")
    page.get_by_role("radiogroup", name="Language").get_by_role("radio", name="System").tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_the_text_size_shows_at_once_and_stays(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    go(phone)
    sizes = phone.page.get_by_role("radiogroup", name="Text size")
    sample = phone.page.locator(".look-sample")
    expect(sample).to_have_css("font-size", "16px")
    sizes.get_by_role("radio", name="Larger").tap()
    expect(sample).to_have_css("font-size", "21px")
    leave(phone)
    phone.reload()
    expect(phone.page.locator(".page")).to_have_css("font-size", "21px")


# --- the computer, devices, data ------------------------------------------------------------------------------------------------------


def test_a_phone_is_named_brings_another_and_shuts_it_out(server: Server, paired: OpenPaired) -> None:
    phone = paired("my phone")
    page = phone.page
    panel = go(phone, "computer")
    expect(panel).to_contain_text("Connected")
    expect(panel).to_contain_text("Version 1, as here")
    name = page.get_by_role("textbox", name="Name of this phone")
    expect(name).to_have_value("my phone")
    name.fill("pocket")
    name.press("Enter")
    expect(page.locator(".device", has_text="pocket")).to_contain_text("this one")

    page.get_by_role("button", name=re.compile("^Add another device of mine")).tap()
    sheet = page.get_by_role("dialog", name="For your other device")
    code = (sheet.locator(".code-text").text_content() or "").strip()
    expect(sheet).to_contain_text(f"/pair/?code={code}")
    made = page.request.post(f"{server.http}/api/pair", data={"code": code, "name": "tablet"}).json()
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    tablet = page.locator(".device", has_text="tablet")
    expect(tablet).to_contain_text("not seen yet")
    tablet.get_by_role("button", name="Shut out tablet").tap()
    page.get_by_role("dialog").get_by_role("button", name="Shut out").tap()
    expect(tablet).to_contain_text("shut out")
    refused = page.request.get(f"{server.http}/api/me", headers=STRANGER | {"Authorization": f"Bearer {made['token']}", "Cookie": ""})
    assert refused.status == 401


def test_clearing_says_what_is_lost_and_forgets_all(server: Server, paired: OpenPaired, guard: Guard) -> None:
    guard.expected += NETWORK_FAILS
    with Proxy(server.port) as proxy:
        phone = paired("my phone", port=proxy.port)
        page = phone.page
        phone.ask("keep me on the computer")
        go(phone)
        page.get_by_role("radio", name="Dark").tap()
        leave(phone)
        proxy.cut()
        expect(phone.offline).to_be_visible()
        phone.say("never sent")
        expect(phone.page.locator(".message.user")).to_have_count(2)
        panel = go(phone, "data")
        expect(panel).to_contain_text("Nothing. No other computer is asked for anything.")
        page.get_by_role("button", name="Clear this phone").tap()
        question = page.get_by_role("dialog")
        expect(question).to_contain_text("1 unsent message is lost with it.")
        question.get_by_role("button", name="Clear this phone").tap()
        expect(phone.field).to_be_visible()
        kept = page.evaluate("JSON.stringify({...localStorage})")
        assert not [text for text in ("never sent", "keep me on the computer") if text in kept], kept
        expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
        proxy.heal()
        phone.reload()
        phone.open_drawer()
        expect(phone.row("keep me on the computer").first).to_be_visible()
        assert "never sent" not in page.evaluate("JSON.stringify({...localStorage})")


def test_unpairing_leaves_nothing_and_leads_to_the_way_in(server: Server, paired: OpenPaired, guard: Guard) -> None:
    guard.expected.append("401")
    phone = paired("my old phone")
    page = phone.page
    phone.ask("hello")
    go(phone, "data")
    page.get_by_role("button", name="Unpair this phone").tap()
    page.get_by_role("dialog").get_by_role("button", name="Unpair this phone").tap()
    expect(page).to_have_url(re.compile("#/pages/connect/connect"))
    assert page.context.cookies() == [] or not [one for one in page.context.cookies() if one["name"] == "llmsite_device"]
    assert page.request.get(f"{server.http}/api/me", headers=STRANGER).status == 401
    with page.context.browser.new_context() as own:  # type: ignore[union-attr]
        gone = {one["name"]: one for one in own.request.get(f"{server.http}/api/devices").json()}
    assert gone["my old phone"]["revoked_at"]
    assert "hello" not in page.evaluate("JSON.stringify(localStorage)")


def test_all_conversations_are_exported(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    phone.ask("take me along")
    go(phone, "data")
    with phone.page.expect_download() as download:
        phone.page.get_by_role("button", name=re.compile("^Export all my conversations")).tap()
    file = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert "take me along" in json.dumps(file["conversations"])
    assert len(file["conversations"]) == len(phone.api("conversations?limit=200")["items"])
    expect(phone.page.locator("[data-section=data]")).to_contain_text("exported.")


# --- everybody can use it ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(390, 844), (320, 640), (1280, 800)], ids=["phone", "small phone", "desktop"])
def test_nothing_keeps_anybody_out(paired: OpenPaired, scheme: Literal["light", "dark"], size: tuple[int, int]) -> None:
    phone = paired("my phone", color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    page = phone.page
    for section in SECTIONS:
        page.goto(f"{phone.http}/m/#/pages/settings/settings?section={section}")
        page.reload()
        expect(page.locator("[data-section]").first).to_be_visible()
        if section == "computer":
            expect(page.locator(".device").first).to_be_visible()
        assert serious(page) == [], section
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), section
        assert page.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)"), section
        for control in page.locator("[tabindex='0']:not(.scroll):visible").all():
            box = control.bounding_box()
            assert box
            assert box["height"] >= 40, control.evaluate("one => one.outerHTML")


def test_the_keyboard_is_enough(server: Server, open_phone: OpenPhone) -> None:
    phone = open_phone(server.port)
    page = phone.page
    page.goto(f"{phone.http}/m/#/pages/settings/settings")
    theme = page.get_by_role("radiogroup", name="Theme")
    theme.get_by_role("radio", name="System").focus()
    page.keyboard.press("ArrowRight")
    expect(theme.get_by_role("radio", name="Light")).to_be_focused()
    expect(theme.get_by_role("radio", name="Light")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("ArrowLeft")
    expect(theme.get_by_role("radio", name="System")).to_be_focused()
    row = page.locator("[data-section=sampling]").get_by_role("button")
    row.focus()
    page.keyboard.press("Enter")
    slider = parameter(phone, "top_p").get_by_role("slider", name="Share of words")
    slider.focus()
    for key, value in (("Home", "0.01"), ("ArrowUp", "0.02"), ("PageUp", "0.12"), ("End", "1")):
        page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuenow", value)
        expect(parameter(phone, "top_p").get_by_role("textbox")).to_have_value(value)
    parameter(phone, "thinking").get_by_role("switch").focus()
    page.keyboard.press("Space")
    expect(parameter(phone, "thinking").get_by_role("switch")).to_have_attribute("aria-checked", "true")
    page.go_back()
    expect(row).to_be_visible()
    leave(phone)
    page.locator(".picker-button").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Who answers")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".picker-button")).to_be_focused()
