"""The findings of a big saved report: kept as the text that they are, and read one at a time.

As objects, 100,000 findings take half a gigabyte; as text, what the file takes.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from typing import NoReturn, overload

from dedupaudit.model import Finding

# `-f json` and jq write so. In JSON no line ends inside a string, so that these lines can be nothing else.
_BEGIN = b'\n  "findings": [\n    {'
_BETWEEN = b"\n    },\n    {"
_END = b"\n    }\n  ]"
_PLACEHOLDER = b'"the findings of dedupaudit.report/1 stand here"'
_LONG = 4_000
"""Bytes. Python refuses numbers of more digits than this, which pydantic would let through."""


class SavedFindings(Sequence[Finding]):
    """Findings of a document, found valid before; each look makes the finding anew."""

    def __init__(self, document: bytes, starts: array[int], ends: array[int]) -> None:
        self._document, self._starts, self._ends = document, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Finding]:
        for start, end in zip(self._starts, self._ends, strict=True):
            yield _finding(self._document[start:end])

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> SavedFindings: ...
    def __getitem__(self, index: int | slice) -> Finding | SavedFindings:
        if isinstance(index, slice):
            return SavedFindings(self._document, self._starts[index], self._ends[index])
        return _finding(self._document[self._starts[index] : self._ends[index]])

    def check(self) -> None:
        """Raise ValueError for the first finding that is none."""
        for start, end in zip(self._starts, self._ends, strict=True):
            text = self._document[start:end]
            _finding(text)
            if len(text) > _LONG or b"NaN" in text or b"Infinity" in text:
                json.loads(text, parse_constant=_refuse)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} saved findings>"


def cut(document: bytes) -> tuple[bytes, SavedFindings] | None:
    """Return the document without its findings, and the findings, all of them valid.

    None where the document is not laid out as `-f json` does it, has no findings, or has one that is damaged: whoever
    reads all of it at once will say what is wrong, and where.
    """
    found = document.find(_BEGIN)
    end = document.find(_END, found)
    if found < 0 or end < 0 or _PLACEHOLDER in document:
        return None
    opening, closing = found + _BEGIN.index(b"["), end + len(_END)
    starts, ends = _lines(document, opening + len(b"[\n"), closing - len(b"\n  ]"))
    findings = SavedFindings(document, starts, ends)
    rest = b"".join((document[:opening], b"[", _PLACEHOLDER, b"]", document[closing:]))
    try:
        # Whatever stands before could say that these are not the report's findings, but an older part of them.
        if json.loads(rest)["findings"] != [json.loads(_PLACEHOLDER)]:
            return None
        findings.check()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return rest.replace(_PLACEHOLDER, b""), findings


def _lines(document: bytes, start: int, end: int) -> tuple[array[int], array[int]]:
    """Return where each finding begins and ends; that it is one is to be seen."""
    starts, ends = array("Q", [start]), array("Q")
    while (found := document.find(_BETWEEN, starts[-1], end)) >= 0:
        ends.append(found + _BETWEEN.index(b","))
        starts.append(ends[-1] + len(b",\n"))
    ends.append(end)
    return starts, ends


def _finding(text: bytes) -> Finding:
    return Finding.model_validate_json(text, strict=True)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
