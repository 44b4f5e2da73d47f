"""Room for the lookup index, the unique index and the quarantine."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, note, refusal, sized, warning

_ENTRY = 24
"""Bytes of an index entry beside its key: header, pointer to the row, and the room that a build leaves in its pages."""
_USUAL_KEY = 40
_WORTH_TELLING = 100_000_000


def index_bytes(facts: Facts) -> int:
    """Estimate the bytes of one index on the key, from the longest value that is stored: rather too many."""
    key = sum(min(column.longest or column.most or _USUAL_KEY, column.most or 3_072) for column in facts.key)
    return facts.rows * (key + _ENTRY)


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Compare two indexes (the lookup index or the sort beside the unique one) and the quarantine with what is free."""
    index = index_bytes(facts)
    row = (facts.table_bytes or 0) // max(facts.rows, 1)
    least = index + facts.duplicates.removed * row
    wanted = least + index
    if facts.disk_free is None:
        if wanted >= _WORTH_TELLING:
            yield note(
                f"the migration of {visible(asked.table)} needs about {sized(wanted)} of disk (estimated), and this"
                " role cannot see how much is free",
                "look at the server: df -h",
            )
        return
    text = (
        f"the migration of {visible(asked.table)} needs about {sized(wanted)} of disk (estimated), and"
        f" {sized(facts.disk_free)} are free where the server's data lie"
    )
    if facts.disk_free < least:
        yield refusal(text, "make room first: a full disk stops every writer, and not only the build")
    elif facts.disk_free < wanted:
        yield warning(text, "make room first; a build that meets a full disk is withdrawn and can be tried again")
