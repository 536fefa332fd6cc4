from __future__ import annotations

import dataclasses
import io

import pytest

from inference.types import EngineInfo, Sampling
from llmsite.network import Address
from llmsite.serve.screen import Screen, address_rows, model_line

URL = "http://192.168.1.7:8000/pair/?code=0123456789abcdef012345"
INFO = EngineInfo("micromind", "micromind", "transformers", "cpu", "float32", 2048, 1, 8, frozenset(), Sampling())


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="replace", newline="\n")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


def test_rows_are_aligned_across_calls_and_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    screen = Screen(out)
    screen.rows([("Model", "m"), ("Data", "d")])
    screen.rows([("Phones", "a"), ("Phones", "b"), ("Here", "c")])
    assert out.getvalue() == "  Model    m\n  Data     d\n  Phones   a\n           b\n  Here     c\n"


def test_a_terminal_gets_the_qr_code() -> None:
    out = Terminal()
    Screen(out).qr(URL)
    lines = out.text().splitlines()
    assert 15 < len(lines) < 24  # fits a terminal of 24 lines
    assert len({len(line) for line in lines}) == 1
    assert all(line.startswith("  \033[38;5;231;48;5;16m") and line.endswith("\033[0m") for line in lines)


def test_the_qr_code_says_the_address() -> None:
    """Read back from the drawn half blocks, module by module, and compared with what the encoder meant."""
    import segno

    out = Terminal()
    Screen(out).qr(URL)
    rows: list[list[bool]] = []
    for line in out.text().splitlines():
        blocks = line.partition("m")[2].removesuffix("\033[0m")
        rows.append([char in " ▄" for char in blocks])  # dark above: what is not drawn
        rows.append([char in " ▀" for char in blocks])
    drawn = [row[2:-2] for row in rows[2:]]
    meant = [[bool(module) for module in row] for row in segno.make(URL, error="l", micro=False).matrix]
    assert drawn[: len(meant)] == meant


@pytest.mark.parametrize("wanted", [True, False])
def test_no_qr_code_into_a_file_or_when_not_wanted(wanted: bool) -> None:
    for out in (io.StringIO(), Terminal()):
        screen = Screen(out, qr=wanted and not out.isatty())
        screen.qr(URL)
        assert (out.text() if isinstance(out, Terminal) else out.getvalue()) == ""


def test_no_qr_code_where_the_encoding_lacks_its_characters() -> None:
    out = Terminal("ascii")
    Screen(out).qr(URL)
    assert out.text() == ""


def test_colours_only_on_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\033" in Screen(Terminal()).bold("x")
    assert Screen(io.StringIO()).bold("x") == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Screen(Terminal()).bold("x") == "x"


def test_the_model_in_one_line() -> None:
    assert model_line(INFO) == "micromind · cpu · float32 · 2,048 tokens of context"
    remote = dataclasses.replace(INFO, name="deepseek", model="deepseek-chat", device="remote", dtype="", context_window=None)
    assert model_line(remote) == "deepseek (deepseek-chat) · remote"


def test_addresses_say_their_interface_and_kind() -> None:
    rows = address_rows([Address("192.168.1.7", "wlan0", "lan"), Address("10.42.0.1", "wlan1", "hotspot")], 8000)
    assert rows == [("Phones", "http://192.168.1.7:8000/  wlan0"), ("Phones", "http://10.42.0.1:8000/  wlan1, hotspot")]
