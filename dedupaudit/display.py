r"""The only way that a foreign value becomes text for people: nothing in it can move a cursor, hide or turn text round.

Reports, messages and errors call `visible` for a value and `escape` for a sentence; files call `csv_cell` and
`json_safe`. What cannot be seen is written as Python writes it: `\x1b`, `\n`, `\u202e`.
"""

from __future__ import annotations

import re
import unicodedata

LIMIT = 120
"""Characters of one value on screen, unless the caller says otherwise."""

_SHORTEST = 32  # room for `…`, the length and something of the value
_NAMED = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}

# `str.isprintable` knows control, format, private, unassigned and surrogate characters, and all spaces but the plain
# one. These are letters, marks and symbols to it, and yet nothing on a screen.
_BLANK_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# JSON lets these stand as they are: they would reach a terminal through `cat`, and some readers end a line at them.
_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# Excel, LibreOffice and Google Sheets take a cell that begins so for a formula; the wide forms count in East Asia.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def visible(value: object, limit: int = LIMIT) -> str:
    """Return any value as one line of at most `limit` characters (32 at least) in which everything can be seen.

    Text that is empty, blank or has spaces at an edge is quoted; bytes are `0x…`; None is NULL. What is too long is cut
    in the middle and its length is told. Used twice, it changes nothing the second time.
    """
    limit = max(limit, _SHORTEST)
    if isinstance(value, bytes | bytearray | memoryview):
        return _hexadecimal(bytes(value), limit)
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(value)
    if len(text) <= limit:
        shown = _quoted_where_needed(text, escape(text))
        if len(shown) <= limit:
            return shown
    return _cut(text, limit)


def escape(text: str) -> str:
    """Return text with everything that cannot be seen written as an escape; nothing is quoted or cut."""
    if text.isprintable() and not _BLANK_LETTERS.search(text) and not _combines(text):
        return text
    return "".join(_pieces(text))


def to_ascii(text: str) -> str:
    r"""Return text for a stream that takes ASCII alone: `…` as `...`, and every other character as its escape."""
    return text.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")


def csv_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, with everything in it visible."""
    safe = "'" + text if text.startswith(_FORMULA) else text
    return escape(safe)


def json_safe(text: str) -> str:
    r"""Return JSON text with what a terminal or a line reader would act upon as `\uXXXX`: the same document."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE_IN_JSON.sub(_json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _combines(text: str) -> bool:
    """Say whether the text begins with a mark that would sit on whatever stands before it."""
    return bool(text) and unicodedata.category(text[0])[0] == "M"


def _pieces(text: str) -> list[str]:
    pieces = [char if char.isprintable() and not _BLANK_LETTERS.match(char) else _escaped(char) for char in text]
    if _combines(text):
        pieces[0] = _escaped(text[0])
    return pieces


def _escaped(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _quoted_where_needed(text: str, shown: str) -> str:
    return f'"{shown}"' if not text or text[0] == " " or text[-1] == " " else shown


def _cut(text: str, limit: int) -> str:
    """Keep both ends: IDs that differ mostly differ there."""
    told = f" ({len(text):,} characters)"
    room = limit - len(told) - len('""…')
    # An escape has at most ten characters, so what is read of a huge value is bounded by the limit.
    head, tail = text[:limit], text[-limit:]
    front = _fill(_pieces(head), room - room // 2)
    back = _fill(_pieces("x" + tail)[:0:-1], room // 2)
    kept = "".join(front) + "…" + "".join(reversed(back))
    quoted = f'"{kept}"' if text[0] == " " or text[-1] == " " else kept
    return quoted + told


def _fill(pieces: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return kept


def _hexadecimal(value: bytes, limit: int) -> str:
    if 2 + 2 * len(value) <= limit:
        return "0x" + value.hex()
    told = f" ({len(value):,} bytes)"
    half = (limit - len(told) - len("0x…")) // 4
    return f"0x{value[:half].hex()}…{value[-half:].hex()}{told}"
