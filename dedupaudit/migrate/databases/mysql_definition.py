"""A column's definition as SHOW CREATE TABLE writes it: found, and written again with or without NOT NULL.

MODIFY COLUMN takes the whole definition: whatever is left out is lost (DEFAULT, COMMENT, ON UPDATE, INVISIBLE).
"""

from __future__ import annotations

import re

# A quoted name or text, a comment of MySQL's (`/*!80023 INVISIBLE */`), a word, or any other character.
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|/\*.*?\*/|\w+|\s+|.""", re.DOTALL)
_BEFORE = ("DEFAULT", "COMMENT", "CHECK", "ON", "INVISIBLE", "REFERENCES", "COLUMN_FORMAT", "STORAGE")


def definition_of(created: str, column: str) -> str | None:
    """Return the definition of a column, out of SHOW CREATE TABLE of a session without backslash escapes.

    None where it is not found, or has a backslash in it, for nobody could say what that stands for.
    """
    for line in _parts(created):
        found = re.match(r'\s*("(?:[^"]|"")*"|`(?:[^`]|``)*`)\s+', line)
        if found is None:
            continue
        mark = found[1][0]
        if found[1][1:-1].replace(mark * 2, mark) == column:
            definition = line[found.end() :].strip()
            return None if "\\" in definition else definition
    return None


def _parts(created: str) -> list[str]:
    """Return what stands between the commas of the outermost parentheses."""
    depth, parts, part = 0, [], ""
    for piece in _TOKEN.findall(created):
        if piece == ")":
            depth -= 1
            if depth == 0:
                break
        if piece == "," and depth == 1:
            parts.append(part)
            part = ""
        elif depth >= 1:
            part += piece
        if piece == "(":
            depth += 1
    return [*parts, part]


def forbidding_null(definition: str) -> str:
    """Return a definition with NOT NULL."""
    return _with(definition, "NOT NULL")


def allowing_null(definition: str) -> str:
    """Return a definition with NULL."""
    return _with(definition, "NULL")


def _with(definition: str, nullability: str) -> str:
    pieces = _without_null(_TOKEN.findall(definition))
    depth, place = 0, None
    for number, piece in enumerate(pieces):
        depth += (piece == "(") - (piece == ")")
        word = piece.upper()
        if depth == 0 and number and place is None and (word in _BEFORE or piece.startswith("/*")):
            place = number
    if place is None:
        place = len(pieces)
    before, after = "".join(pieces[:place]).rstrip(), "".join(pieces[place:]).strip()
    return " ".join(part for part in (before, nullability, after) if part)


def _without_null(pieces: list[str]) -> list[str]:
    """Leave out NULL, NOT NULL and DEFAULT NULL, each with the space before it, where they are not in parentheses."""
    kept: list[str] = []
    depth = 0
    for piece in pieces:
        depth += (piece == "(") - (piece == ")")
        if depth == 0 and piece.upper() == "NULL":
            while kept and (kept[-1].isspace() or kept[-1].upper() in ("NOT", "DEFAULT")):
                kept.pop()
            continue
        kept.append(piece)
    return kept
