r"""How foreign values travel to the embedded engine: as lines of tab-separated text that no value can break out of.

`\005c` stands for a backslash, and so for every control character, lone surrogate and U+FEFF, which the engine drops
where a file begins with it; `\N` is NULL. Different texts stay different, so that the engine may compare them as they
are. Keys keep their types by a letter before each part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

from dedupaudit.sources.tables.protocol import Key, Undecodable, Value

NULL = "\\N"
_SEPARATOR = "\\S"
_NONE = "n"
"""A part of a key that is NULL: it must not make the whole field one."""
_SPECIAL = re.compile("[\x00-\x1f\x7f-\x9f\\\\\u2028\u2029\ufeff\ud800-\udfff]")
SPECIAL = "\\" + "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF)))
"""Every character that `escape` writes otherwise, the backslash first; surrogates are in no valid text."""
_ESCAPED = re.compile(r"\\([0-9a-f]{4})")


def escape(text: str) -> str:
    """Return text as one field of a line."""
    return _SPECIAL.sub(_escaped, text) if _SPECIAL.search(text) else text


def escape_all(column: Sequence[str | None]) -> Sequence[str | None]:
    """Return a column of texts as fields; a column without a special character is returned as it is."""
    if _SPECIAL.search("".join(filter(None, column))):
        return [None if text is None else escape(text) for text in column]
    return column


def unescape(field: str) -> str:
    """Return the text that was escaped."""
    return _ESCAPED.sub(_meant, field) if "\\" in field else field


def pack(key: Key) -> str:
    """Return a key as one field; equal keys of equal types are equal fields."""
    return _SEPARATOR.join(map(_pack_part, key))


def pack_column(values: Sequence[Value]) -> Sequence[str | None]:
    """Return a column as fields that `unpack` makes keys of one part of; None stays none."""
    if _are(str, values) and not _SPECIAL.search("".join(cast("Sequence[str]", values))):
        return ["s" + value for value in cast("Sequence[str]", values)]
    if _are(int, values):
        return [f"i{value}" for value in cast("Sequence[int]", values)]
    return [None if value is None else _pack_part(value) for value in values]


def pack_all(keys: Sequence[Key]) -> Sequence[str | None]:
    """Return a column of keys as fields."""
    if keys and len(keys[0]) == 1:
        column = pack_column([key[0] for key in keys])
        return [_NONE if field is None else field for field in column]
    return [pack(key) for key in keys]


def unpack(field: str) -> Key:
    """Return the key that was packed; an empty field is the empty key."""
    return tuple(map(_unpack_part, field.split(_SEPARATOR))) if field else ()


def lines(rows: Iterable[Sequence[str | None]]) -> bytes:
    """Return rows of fields, escaped by their makers, as lines."""
    text = "\n".join(["\t".join([NULL if field is None else field for field in row]) for row in rows])
    return (text + "\n").encode("utf-8") if text else b""


def _are(kind: type, values: Sequence[Value]) -> bool:
    return set(map(type, values)) == {kind}


def _pack_part(value: Value) -> str:
    if type(value) is str:
        return "s" + escape(value)
    if value is None:
        return _NONE
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, Undecodable):
        return "u" + value.raw.hex()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        value = int(value)  # 1 and 1.0 are one key
    return ("f" if isinstance(value, float) else "i") + repr(value)


def _unpack_part(part: str) -> Value:
    kind, rest = part[0], part[1:]
    if kind == "s":
        return unescape(rest)
    if kind == "i":
        return int(rest)
    if kind == "f":
        return float(rest)
    if kind == "b":
        return bytes.fromhex(rest)
    return Undecodable(bytes.fromhex(rest)) if kind == "u" else None


def _escaped(match: re.Match[str]) -> str:
    return f"\\{ord(match[0]):04x}"


def _meant(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))
