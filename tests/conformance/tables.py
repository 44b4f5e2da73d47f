"""Tables as the conformance suite describes them, whatever database they are created in."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

Type = Literal["text", "integer", "real", "bytes", "any", "json"]


class Refused(Exception):
    """The server refuses a statement because the session may only read."""


@dataclass(frozen=True)
class RawText:
    """Text whose bytes are not valid in the database's encoding."""

    raw: bytes


Stored = str | int | float | bytes | RawText | None


@dataclass(frozen=True)
class Col:
    """One column; `collation` is a name of the adapter's own, empty for its default."""

    name: str
    type: Type = "text"
    collation: str = ""
    not_null: bool = False


@dataclass(frozen=True)
class Tab:
    """A table to create, with its rows. An index is its name and columns; `invalid`: unique ones whose build failed."""

    name: str
    columns: tuple[Col, ...]
    rows: tuple[tuple[Stored, ...], ...] = ()
    primary_key: tuple[str, ...] = ()
    unique: tuple[tuple[str, tuple[str, ...]], ...] = ()
    indexes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    invalid: tuple[tuple[str, tuple[str, ...]], ...] = ()


def typed(key: Sequence[Stored]) -> Hashable:
    """Return the key as something that equals no other key: 0 == 0.0 == -0.0 to Python."""
    return tuple((type(value), repr(value)) for value in key)


def is_json(text: str) -> bool:
    """Say whether a strict database takes the text as JSON."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(word)
