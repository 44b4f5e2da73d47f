"""Keys that are nearly one, and how they differ, told to people. Only the bytes decide whether an object is there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

_SLASHES = re.compile("/+")


def _decoded(key: str) -> str:
    return unquote(key.replace("+", " "), errors="surrogateescape")


def _slashed(key: str) -> str:
    return _SLASHES.sub("/", key.replace("\\", "/")).strip("/")


def _composed(key: str) -> str:
    return unicodedata.normalize("NFC", key)


_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("letter case", str.casefold),
    ("URL encoding", _decoded),
    ("slashes", _slashed),
    ("Unicode form", _composed),
)


def fold(key: str) -> str:
    """Return what all nearly equal keys have in common."""
    return _composed(_slashed(_decoded(_composed(key))).casefold())


def difference(one: str, other: str) -> str | None:
    """Say in what alone two keys differ; None where they are not nearly equal."""
    for what, step in _STEPS:
        if step(one) == step(other):
            return what
    return "letter case, encoding or slashes" if fold(one) == fold(other) else None
