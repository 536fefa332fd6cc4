"""Finds texts that are the same, or nearly so: exact by a hash of the normalised text, near by MinHash (Broder 1997) with banded lookup.

Two texts are near duplicates when the sets of their five-character windows have a Jaccard similarity of about NEAR or more.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict

import numpy as np

WINDOW = 5  # characters
PERMUTATIONS = 64
BANDS = 16  # of four rows each: pairs of similarity 0.8 are found with a probability of 99.98 %
NEAR = 0.8
LONG = 4000  # of longer texts only windows whose hash is divisible are kept, so that a novel costs no more than an article

_rng = np.random.default_rng(20261122)
_FACTORS = _rng.integers(1, 2**63, PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
_SUMMANDS = _rng.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64)


def normalised(text: str) -> str:
    """Case, width, white space and punctuation made alike."""
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip()


def fingerprint(text: str) -> str:
    """The same for texts that differ in case, width, spaces or punctuation only."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def signature(text: str) -> np.ndarray:
    """uint32 [PERMUTATIONS]; the share of equal places estimates the Jaccard similarity."""
    points = np.frombuffer(normalised(text).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if len(points) < WINDOW:
        points = np.pad(points, (0, WINDOW - len(points)))
    windows = len(points) - WINDOW + 1
    hashes = np.zeros(windows, dtype=np.uint64)
    for place in range(WINDOW):
        hashes = (hashes ^ points[place : place + windows]) * np.uint64(0x100000001B3)
        hashes ^= hashes >> np.uint64(29)
    hashes = np.unique(hashes)
    if len(hashes) > LONG:
        kept = hashes[hashes % np.uint64(len(hashes) // LONG + 1) == 0]
        hashes = kept if len(kept) else hashes[:LONG]
    mixed = hashes[:, None] * _FACTORS + _SUMMANDS
    return (mixed >> np.uint64(32)).min(axis=0).astype(np.uint32)


class NearIndex:
    """Texts seen so far, to be asked for one like another."""

    def __init__(self) -> None:
        self._signatures: list[np.ndarray] = []
        self._buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)

    def find(self, one: np.ndarray) -> int | None:
        """The number of a text seen that is nearly the same (in the order of `add`), or None."""
        for candidate in {number for key in _keys(one) for number in self._buckets.get(key, ())}:
            if np.mean(self._signatures[candidate] == one) >= NEAR:
                return candidate
        return None

    def add(self, one: np.ndarray) -> None:
        for key in _keys(one):
            self._buckets[key].append(len(self._signatures))
        self._signatures.append(one)


def _keys(one: np.ndarray) -> list[tuple[int, bytes]]:
    return [(band, part.tobytes()) for band, part in enumerate(np.split(one, BANDS))]
