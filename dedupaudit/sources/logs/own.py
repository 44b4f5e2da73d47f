"""The user's own patterns, tried by the embedded engine's RE2: its time grows with the line's length and nothing else.

Python's own engine can be held up for ever by a pattern such as `(a+)+$`, and cannot be stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import import_whole, passed_on
from dedupaudit.sources.logs.blocks import Block

if TYPE_CHECKING:
    from dedupaudit.config.models import LogEventSettings

_GROUPS = ("id", "time", "device")
_FIND = """
    SELECT number, regexp_extract(line, $1, [{groups}])
    FROM (SELECT unnest(lines) AS line, generate_subscripts(lines, 1) AS number
          FROM (SELECT string_split($2, chr(10)) AS lines))
    WHERE regexp_matches(line, $1)
    ORDER BY number
"""


class Hit(NamedTuple):
    """One line that a pattern of the user's knew; `line_index` counts the block's lines from 0."""

    line_index: int
    event: str
    id: str
    time: str | None
    device: str | None


class OwnPatterns:
    """The `[[logs.events]]` of the configuration. Raises UsageError for a pattern that cannot be tried so."""

    def __init__(self, settings: Sequence[LogEventSettings]) -> None:
        import_whole("duckdb")  # 170 ms, and most runs have no pattern of their own
        import duckdb

        self._error = duckdb.Error
        self._engine: Any = duckdb.connect(":memory:", config={"threads": 1})
        self._patterns = [(own.name, own.pattern, self._all_groups(own.name, own.pattern)) for own in settings]

    def hits(self, block: Block) -> list[Hit]:
        """Return what the patterns find, line by line. Raises SourceError where the engine fails."""
        # The engine's split keeps zeros; a pattern's dot would not be the first to be surprised by them.
        text = block.text.decode("utf-8", "replace").replace("\0", " ").replace("\r\n", "\n")
        found: list[Hit] = []
        for event, pattern, groups in self._patterns:
            try:
                with passed_on():
                    rows = self._engine.execute(_find(groups), [pattern, text]).fetchall()
            except self._error as error:
                raise SourceError(
                    f"the pattern of logs.events {event} failed: {visible(str(error), 200)}",
                    "make the pattern shorter; counted repetitions such as {1000} take much memory",
                ) from None
            for number, values in rows:
                item = values["id"].strip()
                if item:
                    found.append(Hit(number - 1, event, item, values.get("time") or None, values.get("device") or None))
        return sorted(found, key=lambda hit: hit.line_index)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _all_groups(self, event: str, pattern: str) -> tuple[str, ...]:
        """Return the pattern's group names, in their order, having tried the pattern once."""
        import re

        names = re.compile(pattern).groupindex
        if unknown := [name for name in names if name not in _GROUPS]:
            raise UsageError(
                f"logs.events {event}: the pattern has a group named {visible(unknown[0])}",
                "a pattern's groups are id, time and device; others need no name: (?:…)",
            )
        # The engine numbers groups that have no name too, and its list of names has to keep step.
        count = re.compile(pattern).groups
        by_number = {number: name for name, number in names.items()}
        groups = tuple(by_number.get(number, f"_{number}") for number in range(1, count + 1))
        try:
            self._engine.execute(_find(groups), [pattern, ""]).fetchall()
        except self._error as error:
            raise UsageError(
                f"logs.events {event}: the pattern cannot be tried: {visible(str(error).partition(chr(10))[0], 200)}",
                "patterns are tried in time that grows with the line alone: without (?=…), (?!…), (?<…) and \\1",
            ) from None
        return groups


def _find(groups: tuple[str, ...]) -> str:
    return _FIND.format(groups=", ".join(f"'{group}'" for group in groups))
