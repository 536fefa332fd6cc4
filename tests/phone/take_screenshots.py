"""The pictures of docs/screenshots/phone/: every screen of the phone client in both themes and languages, from real servers.

`python -m tests.phone.take_screenshots` makes all, `… drawer settings` those whose names contain one of the words. The servers have data folders of
their own, which hold what the pictures show and are thrown away.
"""

from __future__ import annotations

import base64
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.chromium import FLAGS, chromium
from tests.end_to_end.phones import STRANGER
from tests.end_to_end.server import ROOT, Server
from tests.phone.build import built_h5
from tests.phone.phone import SCREEN, Phone
from tests.talks import RICH, imported

FOLDER = ROOT / "docs" / "screenshots" / "phone"
LOOKS = [("en", "light"), ("en", "dark"), ("zh-CN", "light"), ("zh-CN", "dark")]
SMALL = SCREEN | {"device_scale_factor": 1}
WIDE = {"viewport": {"width": 1280, "height": 800}}
MONTAGE = """async ({ images, columns }) => {
  const loaded = await Promise.all(images.map((data) => new Promise((done) => {
    const image = new Image();
    image.onload = () => done(image);
    image.src = 'data:image/png;base64,' + data;
  })));
  const [{ width, height }] = loaded;
  const gap = 12;
  const canvas = document.createElement('canvas');
  canvas.width = gap + columns * (width + gap);
  canvas.height = gap + Math.ceil(loaded.length / columns) * (height + gap);
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#c8d0d8';
  pen.fillRect(0, 0, canvas.width, canvas.height);
  loaded.forEach((image, place) => pen.drawImage(image, gap + (place % columns) * (width + gap), gap + Math.floor(place / columns) * (height + gap)));
  const pixels = new Uint32Array(pen.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  const counts = new Map();
  for (const one of pixels) counts.set(one, (counts.get(one) ?? 0) + 1);
  const parts = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255];
  const palette = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one)).slice(0, 128);
  const shown = palette.map(parts);
  const place = new Map(palette.map((one, at) => [one, at]));
  for (const one of counts.keys()) {
    if (place.has(one)) continue;
    const [r, g, b] = parts(one);
    const far = shown.map(([x, y, z]) => (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2);
    place.set(one, far.indexOf(Math.min(...far)));
  }
  let text = '';
  for (const one of pixels) text += String.fromCharCode(place.get(one));
  return { width: canvas.width, height: canvas.height, palette: shown.flat(), pixels: btoa(text) };
}"""
"""Draws pictures side by side, in the colours that occur most: text has few, and the repository stays small."""
SAID = {"en": ["Hello, who are you?", "How do I load a bigger model?"], "zh-CN": ["你好，你是谁？", "手机怎么连接？"]}
TALKS = {
    "en": ["Holiday in the Alps", "What to cook on Sunday", "Notes on linear algebra", "A poem about rain"],
    "zh-CN": ["周末去哪里玩", "家常菜做法", "线性代数笔记", "写一首关于雨的诗"],
}


@dataclass
class Place:
    """What a picture is taken of: the servers, and one look."""

    browser: Browser
    model: Server
    """With the model that comes along: for what it really says."""
    fake: Server
    """With the fake engine: for what must happen slowly or in a known way."""
    locale: str
    scheme: str

    def open(self, server: Server, **options: object) -> Phone:
        context = self.browser.new_context(**{"locale": self.locale, "color_scheme": self.scheme, **SMALL, **options})  # type: ignore[arg-type]
        phone = Phone(context.new_page(), server.http, self.locale).open()
        expect(phone.page.locator(".picker-line")).not_to_be_empty()
        return phone

    def stranger(self, server: Server) -> Page:
        context = self.browser.new_context(locale=self.locale, color_scheme=self.scheme, **SMALL)  # type: ignore[arg-type]
        context.set_extra_http_headers(STRANGER)
        page = context.new_page()
        page.goto(f"{server.http}/m/")
        return page


@contextmanager
def away(server: Server) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


# --- the screens: each leads to one and hands over its page --------------------------------------------------------------------------


def welcome(place: Place) -> Page:
    return place.open(place.model).page


def chat(place: Place, **options: object) -> Page:
    phone = place.open(place.model, **options)
    for text in SAID[place.locale]:
        phone.field.fill(text)
        phone.button("send").click()
        expect(phone.users.last).to_contain_text(text)
        phone.finished()
    return phone.page


def chat_wide(place: Place) -> Page:
    return chat(place, **WIDE, is_mobile=False, has_touch=False, device_scale_factor=1)


def rich(place: Place) -> Phone:
    phone = place.open(place.model)
    phone.open_drawer()
    phone.row("Quadratic").first.tap()
    phone.page.locator(".katex").first.wait_for()
    return phone


def answer(place: Place) -> Page:
    phone = rich(place)
    phone.scroll("it.scrollTo(0, 0)")
    return phone.page


def answer_end(place: Place) -> Page:
    phone = rich(place)
    phone.until(phone.at_end)
    return phone.page


def menu(place: Place) -> Page:
    phone = rich(place)
    phone.button("more", phone.last).tap()
    phone.page.locator(".overlay").first.wait_for()
    return phone.page


def editing(place: Place) -> Page:
    phone = rich(place)
    phone.scroll("it.scrollTo(0, 0)")
    phone.button("edit", phone.users.last).tap()
    return phone.page


def streaming(place: Place) -> Page:
    phone = place.open(place.fake)
    phone.say("!think !say 400")
    phone.streaming("w60 ")
    return phone.page


def thinking(place: Place) -> Page:
    phone = place.open(place.fake)
    phone.ask("!think !say 60")
    phone.last.locator(".thinking").get_by_role("button").first.tap()
    phone.last.locator(".thoughts").wait_for()
    return phone.page


def queue(place: Place) -> Page:
    """The fake server answers two at a time; two others are before this one."""
    others = [place.open(place.fake) for _ in range(3)]
    for other in others:
        other.say("!say 900")
        expect(other.answers).to_have_count(1)
    phone = place.open(place.fake)
    phone.say({"en": "How are you?", "zh-CN": "你好吗？"}[place.locale])
    expect(phone.page.locator(".status")).to_be_visible()
    _rest(phone.page)
    place_shot[phone.page] = phone.page.screenshot()
    with away(place.fake):  # the next picture does not wait behind these answers
        return phone.page


def stopped(place: Place) -> Page:
    phone = place.open(place.fake)
    phone.say("!say 900")
    phone.streaming("w40 ")
    phone.stop()
    phone.last.locator(".quiet").wait_for()
    return phone.page


def branches(place: Place) -> Page:
    phone = place.open(place.model)
    phone.ask(SAID[place.locale][0])
    phone.button("regenerate", phone.last).tap()
    expect(phone.last.locator(".branches")).to_contain_text("2/2")
    phone.finished()
    return phone.page


def feedback(place: Place) -> Page:
    phone = place.open(place.model)
    phone.ask(SAID[place.locale][0])
    phone.button("good", phone.last).tap()
    phone.last.locator(".feedback .text-button").tap()
    phone.page.locator(".overlay").first.wait_for()
    return phone.page


def offline(place: Place) -> Page:
    phone = place.open(place.fake)
    phone.ask({"en": "Good morning", "zh-CN": "早上好"}[place.locale])
    with away(place.fake):
        phone.offline.wait_for()
        for text in {"en": ["Are you there?", "I write on in the meantime."], "zh-CN": ["你在吗？", "我先接着写。"]}[place.locale]:
            phone.say(text)
        expect(phone.page.locator(".message.waiting")).to_have_count(2)
        _rest(phone.page)
        place_shot[phone.page] = phone.page.screenshot()
    return phone.page


place_shot: dict[Page, bytes] = {}
"""Pictures that had to be taken while something lasted."""


def drawer(place: Place) -> Page:
    phone = place.open(place.model)
    phone.open_drawer()
    return phone.page


def search(place: Place) -> Page:
    phone = place.open(place.model)
    phone.open_drawer()
    phone.page.locator(".drawer-search input").fill({"en": "poem", "zh-CN": "雨"}[place.locale])
    phone.page.locator(".found .conversation").first.wait_for()
    return phone.page


def row_menu(place: Place) -> Page:
    phone = place.open(place.model)
    phone.open_drawer()
    row = phone.drawer.locator(".conversation").nth(1)
    row.get_by_role("button").last.tap()
    phone.page.locator(".overlay").first.wait_for()
    return phone.page


def undo(place: Place) -> Page:
    phone = place.open(place.model)
    title = {"en": "An old draft", "zh-CN": "旧草稿"}[place.locale]
    imported(place.model, title, [(title, title)])
    phone.open_drawer()
    phone.row(title).first.get_by_role("button").last.tap()
    phone.page.locator(".overlay").get_by_text({"en": "Delete", "zh-CN": "删除"}[place.locale], exact=True).tap()
    phone.page.locator(".toast").wait_for()
    return phone.page


def model_picker(place: Place) -> Page:
    phone = place.open(place.model)
    phone.page.locator(".picker-button").tap()
    phone.page.locator(".overlay").first.wait_for()
    return phone.page


def settings(section: str) -> Callable[[Place], Page]:
    def open_(place: Place) -> Page:
        phone = place.open(place.model)
        phone.open_settings(section)
        return phone.page

    return open_


def connect_code(place: Place) -> Page:
    page = place.stranger(place.model)
    page.locator(".code").wait_for()
    return page


def connect_refused(place: Place) -> Page:
    page = place.stranger(place.model)
    page.locator(".code").wait_for()
    page.locator(".address input").fill("192.168.1.999")
    page.locator(".address-go").tap()
    page.locator(".address-why").wait_for()
    page.locator(".help-title").first.tap()
    return page


SCREENS: dict[str, Callable[[Place], Page]] = {
    "connect-code": connect_code,
    "connect-help": connect_refused,
    "welcome": welcome,
    "chat": chat,
    "chat-wide": chat_wide,
    "answer": answer,
    "answer-end": answer_end,
    "thinking": thinking,
    "streaming": streaming,
    "queue": queue,
    "stopped": stopped,
    "branches": branches,
    "editing": editing,
    "menu": menu,
    "feedback": feedback,
    "offline": offline,
    "drawer": drawer,
    "search": search,
    "row-menu": row_menu,
    "undo": undo,
    "model-picker": model_picker,
    "settings": settings(""),
    **{f"settings-{section}": settings(section) for section in ("model", "persona", "sampling", "computer", "data", "about")},
}


def main(wanted: list[str]) -> None:
    names = [name for name in SCREENS if not wanted or any(word in name for word in wanted)]
    h5 = {"LLMSITE_PHONE_CLIENT": str(built_h5())}
    missing: list[str] = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="llmsite-pictures-") as folder, sync_playwright() as playwright:
        model = Server("uvicorn", Path(folder) / "model", model="micromind", environment=h5).start()
        fake = Server("uvicorn", Path(folder) / "fake", environment=h5 | {"LLMSITE_MAX_STREAMS": "2"}).start()
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            for talks in TALKS.values():
                for title in talks:
                    imported(model, title, [(title, title)])
            imported(model, "Quadratic equations", [("How do I solve a quadratic equation?", RICH)])
            for name in names:
                try:
                    images = [_picture(Place(browser, model, fake, *look), SCREENS[name]) for look in LOOKS]
                except (Error, AssertionError) as error:  # the others are taken all the same
                    missing.append(name)
                    print(name, error, flush=True)
                    _close_all(browser)
                    continue
                _montage(browser, name, images)
                print(name, (FOLDER / f"{name}.png").stat().st_size // 1000, "kB", flush=True)
        finally:
            browser.close()
            model.kill()
            fake.kill()
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}")


def _close_all(browser: Browser) -> None:
    for context in browser.contexts:
        context.close()


def _rest(page: Page) -> None:
    """What moves has come to rest, and no cursor blinks."""
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(400)


def _picture(place: Place, screen: Callable[[Place], Page]) -> bytes:
    page = screen(place)
    image = place_shot.pop(page, None)
    if image is None:
        _rest(page)
        image = page.screenshot()
    _close_all(place.browser)
    return image


def _montage(browser: Browser, name: str, images: list[bytes]) -> None:
    """The looks of one screen side by side; phones in one row, wide screens in two."""
    page = browser.new_page()
    columns = len(images) if int.from_bytes(images[0][16:20], "big") < 600 else 2
    made = page.evaluate(MONTAGE, {"images": [base64.b64encode(image).decode() for image in images], "columns": columns})
    page.close()
    (FOLDER / f"{name}.png").write_bytes(_png(made["width"], made["height"], bytes(made["palette"]), base64.b64decode(made["pixels"])))


def _png(width: int, height: int, palette: bytes, pixels: bytes) -> bytes:
    """A picture with a palette, one byte for each pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + pixels[row * width : (row + 1) * width] for row in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"PLTE", palette) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main(sys.argv[1:])
