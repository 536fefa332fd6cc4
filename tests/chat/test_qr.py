from __future__ import annotations

import re

import segno

from chat import qr

TEXT = "http://192.168.1.7:8000/pair/?code=7KQ2-M9XF"


def test_the_picture_is_the_code() -> None:
    """Drawn again from the path, module by module, and compared with what the encoder meant."""
    meant = [[bool(module) for module in row] for row in segno.make(TEXT, error="m", micro=False).matrix]
    path = re.search(r'stroke="#000"[^>]*?d="([^"]+)"|d="([^"]+)"[^>]*?stroke="#000"', qr.svg(TEXT))
    assert path
    drawn = [[False] * len(meant) for _ in meant]
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([-\d. ]+)", path[1] or path[2]):
        values = [float(value) for value in re.findall(r"-?\d*\.?\d+", numbers)]
        if command == "h":
            for step in range(int(values[0])):
                drawn[int(y - 3)][int(x - 3) + step] = True
            x += values[0]
        else:
            x, y = (values[0], values[1]) if command == "M" else (x + values[0], y + values[1])
    assert drawn == meant


def test_it_takes_the_size_of_its_place_and_needs_no_style() -> None:
    picture = qr.svg(TEXT)
    assert picture.startswith("<svg ")
    assert "viewBox" in picture
    assert not re.search(r"\b(width|height|style|class)=", picture)
