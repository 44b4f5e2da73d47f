r"""Foreign values in Markdown: whatever is not a plain word stands in a code span, where no reader acts upon it.

A code span holds no mention, issue number, link, emoji or HTML; a backslash would not keep GitHub or a chat from any of
these. What cannot be seen is written as everywhere, `\x1b`; and so is a bar within a table, `\x7c`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dedupaudit.display import escape, to_ascii, visible
from dedupaudit.reports.words import parsed

_LONGEST_FENCE = 8
"""GitHub's parser takes no fence of more than 80 backticks, and some chats take one alone."""

_BACKTICKS = re.compile("`+")
# Words and numbers as the tool's own sentences have them. Letters a to f alone may be taken for a commit.
_PLAIN = re.compile(r"(?![a-f]{7,}\b)[A-Za-z]+(?:['-][A-Za-z]+)*|\d{1,6}(?:,\d{3})*(?:\.\d+)?|\d{4}-\d\d-\d\d|[%=+]")
_WORD = re.compile(r"(\(*)(.*?)([),.;:!?]*)", re.DOTALL)


class Writer:
    """Writes foreign values for one stream, whose characters may be ASCII alone."""

    def __init__(self, *, unicode: bool) -> None:
        self._unicode = unicode

    def code(self, value: object, limit: int = 80) -> str:
        """Return a value as a code span."""
        return _span(self._shown(visible(value, limit)))

    def cell(self, value: object, limit: int = 80) -> str:
        """Return a value as a code span that a table's cell can hold."""
        return _span(self._shown(visible(value, limit)).replace("|", r"\x7c"))

    def prose(self, text: str, limit: int = 400) -> str:
        """Return a sentence with the values in it in code spans; it may not begin a line."""
        shown = visible(text.strip(), limit) if len(text) > limit else escape(text.strip())
        said: list[str] = []
        risky: list[str] = []
        for word in self._shown(shown).split():
            opening, core, closing = _parts(word)
            if _PLAIN.fullmatch(core):
                said += [*_ended(risky), word]
                continue
            if opening:
                said += _ended(risky)
            risky.append(core)
            if opening or closing:
                said += [opening + _span(" ".join(risky)) + closing]
                risky.clear()
        return " ".join([*said, *_ended(risky)])

    def _shown(self, text: str) -> str:
        return text if self._unicode else to_ascii(text)


def _parts(word: str) -> tuple[str, str, str]:
    """Return what opens, the word itself, and what closes it; a word of punctuation alone is the word itself."""
    match = _WORD.fullmatch(word)
    opening, core, closing = match.groups() if match else ("", word, "")
    return (opening, core, closing) if core else ("", word, "")


def _ended(risky: list[str]) -> list[str]:
    """Return the words that are gathered as one code span, if there are any, and gather anew."""
    ended = [_span(" ".join(risky))] if risky else []
    risky.clear()
    return ended


def _span(text: str) -> str:
    """Return text as a code span whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    if longest >= _LONGEST_FENCE:
        text, longest = text.replace("`", r"\x60"), 0
    fence = "`" * (longest + 1)
    # A space is taken off again at both ends, and off a text that has its own at both.
    room = " " if text[:1] in ("`", " ", "") or text[-1:] in ("`", " ") else ""
    return f"{fence}{room}{text}{room}{fence}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines; a head that begins with `>` is of figures, which stand right."""
    figures = [head.startswith(">") for head in heads]
    return [
        f"| {' | '.join(head.removeprefix('>') for head in heads)} |",
        f"|{'|'.join('---:' if right else '---' for right in figures)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def minute(moment: str | None) -> str:
    """Return a report's time to the minute, in UTC; empty where it is none."""
    found = parsed(moment)
    return f"{found:%Y-%m-%d %H:%M}" if found else ""
