"""Compares the columns of rows: JSON as values, all else by bytes, long values by a keyed hash."""

from __future__ import annotations

import hashlib
import json
import os
from decimal import Decimal, InvalidOperation
from typing import Any

LONG = 256
"""Characters above which a value travels as its hash."""


class PayloadHash:
    """A hash with a key of its own for each run, so that no stored value can pretend to be another's hash."""

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def of_bytes(self, kind: str, raw: bytes) -> bytes:
        """Return 32 bytes for a value of one storage kind."""
        return hashlib.blake2b(kind.encode() + b"\0" + raw, digest_size=32, key=self._key).digest()

    def of_json(self, text: str) -> bytes:
        """Return 32 bytes that are equal for equal JSON values; for what is not JSON, for equal text."""
        value = canonical_json(text)
        if value is None:
            return self.of_bytes("text", text.encode("utf-8", "surrogatepass"))
        return self.of_bytes("json", value.encode("utf-8", "surrogatepass"))


class _NotCanonical(ValueError):
    """JSON whose value depends on who reads it: NaN, or an object with a name twice."""


def canonical_json(text: str) -> str | None:
    """Return one text for all writings of one JSON value, or None where that is not safe to say.

    Numbers are compared by value and at full precision, as PostgreSQL's jsonb does: 1, 1.0 and 10e-1 are equal.
    """
    try:
        value = json.loads(
            text,
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_repeated_names,
        )
        return _write(value)
    except (ValueError, RecursionError, InvalidOperation):
        return None


def same_json(first: object, second: object) -> bool:
    """Say whether two texts certainly write one JSON value."""
    if not (isinstance(first, str) and isinstance(second, str)):
        return False
    value = canonical_json(first)
    return value is not None and value == canonical_json(second)


def _refuse_constant(name: str) -> None:
    raise _NotCanonical(name)


def _without_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _NotCanonical("a name occurs twice")
    return value


def _write(value: object) -> str:
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        figures = "".join(map(str, digits)).lstrip("0")
        kept = figures.rstrip("0")
        if not kept:
            return "0"
        return f"{'-' if sign else ''}{kept}e{int(exponent) + len(figures) - len(kept)}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_write(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_write, value)) + "]"
    return json.dumps(value)
