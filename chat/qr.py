"""QR codes as SVG, drawn here: nothing is asked of anybody."""

from __future__ import annotations

import io

import segno


def svg(text: str) -> str:
    """Dark on light in either theme: some phones do not read a negative. It takes the size that its place gives it."""
    buffer = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        buffer, kind="svg", border=3, xmldecl=False, svgns=True, omitsize=True, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return buffer.getvalue().decode()
