"""The text of a QR code that joins a Wi-Fi. What is entered for it goes into the picture and nowhere else."""

from __future__ import annotations

import re

NAME_BYTES = 32
HEX_KEY = re.compile(r"[0-9A-Fa-f]{64}")
ESCAPED = re.compile(r'([\\;,:"])')


class Unusable(Exception):
    """No Wi-Fi can be called so, or have that password. str(error) is the key of a sentence in pair_words."""


def joining(name: str, password: str, *, hidden: bool = False) -> str:
    """What phones' cameras read: WIFI:T:WPA;S:NAME;P:PASSWORD;H:true;;. An empty password means a network without one. Raises Unusable."""
    if not 0 < len(name.encode()) <= NAME_BYTES:
        raise Unusable("wifi_name_length")
    if password and not HEX_KEY.fullmatch(password) and not 8 <= len(password.encode()) <= 63:
        raise Unusable("wifi_password_length")
    parts = [f"T:{'WPA' if password else 'nopass'}", f"S:{_escaped(name)}"]
    parts += [f"P:{_escaped(password)}"] if password else []
    parts += ["H:true"] if hidden else []
    return f"WIFI:{';'.join(parts)};;"


def _escaped(text: str) -> str:
    return ESCAPED.sub(r"\\\1", text)
