"""Every build there is: that it succeeds without a word of warning, stays small, and asks nobody but the server for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.end_to_end.server import ROOT, Server
from tests.phone.build import CLIENT, Platform, built

PLATFORMS: tuple[Platform, ...] = ("h5", "mp-weixin", "app")
TEXT = {".js", ".css", ".html", ".json", ".wxml", ".wxss", ".wxs"}

# What the tools say in every build, and what cannot be helped here.
SAID_ALWAYS = re.compile(r"npm warn Unknown user config|npm notice|^> |^Compil|^欢迎将web站点部署到uniCloud|DONE +Build complete|^Run method: |^$")

# Addresses that stand in the code and are not asked for: names of formats, and what uni-app's and Vue's own runtime could tell or open.
NOT_ASKED_FOR = {
    "www.w3.org": "names of XML languages",
    "vuejs.org": "where Vue explains its errors",
    "github.com": "where marked and uuid want their errors reported",
    "uniapp.dcloud.net.cn": "where uni-app explains its log",
    "127.0.0.1": "how an address is written, in a sentence",
}
# The view of the App, as uni-app ships it: its map, video and editor components, none of which is used.
PARTS_OF_UNI_APP = ("__uniappquill.js", "__uniappquillimageresize.js", "__uniappopenlocation.js", "__uniappchooselocation.js", "uni-app-view.umd.js")

BUDGET_H5 = 350 * 1024
"""JavaScript as it is sent compressed by gzip, with everything that is loaded before a formula is first seen."""
BUDGET_PACKAGE = 2 * 1024 * 1024
"""What WeChat takes as the main package of a mini-program."""


def files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in files(folder):
        if path.suffix in TEXT:
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_is_built_without_a_warning(platform: Platform) -> None:
    done = built(platform)
    assert any(files(done.folder))
    said = re.sub(r"\x1b\[[\d;]*m|​", "", done.said)
    assert [line for line in said.splitlines() if not SAID_ALWAYS.search(line)] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_in_it_tells_where_it_was_built(platform: Platform) -> None:
    for name, text in texts(built(platform).folder):
        for place in {str(ROOT), str(CLIENT), str(Path.home()) if Path.home() != Path("/") else str(ROOT)}:
            assert f"{place}/" not in text, f"{name} names {place}"
        assert "sourceMappingURL=" not in text or name in PARTS_OF_UNI_APP, name


@pytest.mark.parametrize("platform", PLATFORMS)
def test_its_styles_and_templates_name_no_other_host(platform: Platform) -> None:
    """Those are what is asked for without any code of ours."""
    for name, text in texts(built(platform).folder):
        if not name.endswith(".js"):
            hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s\"')<]+", text)}
            assert hosts <= {"www.w3.org"}, name


@pytest.mark.parametrize("platform", PLATFORMS)
def test_its_code_knows_no_other_host(platform: Platform) -> None:
    for name, text in texts(built(platform).folder):
        if name.endswith(".js") and name.rpartition("/")[2] not in PARTS_OF_UNI_APP:
            hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[a-z0-9][^\s\"'`)<\\]*", text)}
            assert hosts <= set(NOT_ASKED_FOR), name


def test_the_mini_programs_package_is_small_enough() -> None:
    folder = built("mp-weixin").folder
    app = json.loads((folder / "app.json").read_text(encoding="utf-8"))
    apart = tuple(f"{one['root'].strip('/')}/" for one in [*app.get("subPackages", []), *app.get("subpackages", [])])
    size = sum(path.stat().st_size for path in files(folder) if not path.relative_to(folder).as_posix().startswith(apart or ("//",)))
    assert size < BUDGET_PACKAGE, f"{size:,} bytes"


def test_the_app_has_what_the_packager_needs() -> None:
    manifest = json.loads((built("app").folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["name"] == "llmsite"
    assert "android.permission.CAMERA" in json.dumps(manifest)
    assert "NSLocalNetworkUsageDescription" in json.dumps(manifest)


# --- in a browser --------------------------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.process
def test_a_browser_loads_little_before_the_first_formula_and_asks_nobody_else(open_phone: Any, phone_server: Server, guard: Any) -> None:
    """Code with its colours, a table, the other pages' code: all that, and still within the budget. `guard` sees that no other host is asked."""
    folder = built("h5").folder
    phone = open_phone(phone_server.port)

    def scripts() -> set[str]:
        asked = {urlsplit(url).path.removeprefix("/m/") for url in guard.asked}
        return {name for name in asked if name.startswith("assets/") and name.endswith(".js")}

    phone.ask("this\n\n| a | b |\n|---|---|\n| `x` | **y** |\n\n```python\nprint(1)\n```\n")
    expect(phone.last.get_by_role("table")).to_be_visible()
    # uni-app asks other hosts, where it does, some seconds after the start.
    phone.page.wait_for_timeout(4000)
    phone.open_settings()
    phone.page.go_back()
    expect(phone.field).to_be_visible()
    before = scripts()
    assert not [name for name in before if "katex" in name], "the formulas' library is for when a formula comes"
    size = sum((folder / f"{name}.gz").stat().st_size for name in before)
    assert size <= BUDGET_H5, f"{size:,} bytes of JavaScript"

    phone.ask("$x^2$")
    expect(phone.last.locator(".katex").first).to_be_visible()
    assert [name for name in scripts() - before if "katex" in name]
