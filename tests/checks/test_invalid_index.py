"""invalid_index and its neighbours over a PostgreSQL catalog as it was recorded: SQLite has no failed builds."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from dedupaudit.checks import invalid_index, missing_unique, redundant_index
from dedupaudit.checks.base import Look, TableScan
from dedupaudit.model import Finding
from dedupaudit.sources.tables.catalog import Index
from dedupaudit.sources.tables.protocol import TableSource
from tests.checks.tables import index_of, table_of


class _Source:
    """A source of which the catalog is all that is asked."""

    name = "db"

    def locator(self, _table: object) -> tuple[str, ...]:
        return ()

    def is_empty(self, _table: object) -> bool:
        return False


def findings_of(check: object, *indexes: Index) -> list[Finding]:
    table = table_of("note")
    table = replace(table, catalog=replace(table.catalog, indexes=indexes))
    scan = TableScan(cast(TableSource, _Source()), table, wanted=(), now=0, stuck_after=0)
    look = check.CHECK.look(scan)  # type: ignore[attr-defined]
    assert isinstance(look, Look)
    assert look.strategy == "catalog"
    return [found for found in look.findings if isinstance(found, Finding)]


@pytest.mark.parametrize(
    ("ready", "effect"), [(False, "enforces nothing"), (True, "refuses new duplicates all the same")]
)
def test_an_index_whose_build_failed_is_found_and_what_it_still_does_is_said(ready: bool, effect: str) -> None:
    (finding,) = findings_of(invalid_index, index_of("id", valid=False, ready=ready))
    assert finding.key == {"index": "i"}
    assert effect in finding.message
    assert finding.suggestion


def test_a_plain_invalid_index_is_found_too() -> None:
    (finding,) = findings_of(invalid_index, index_of("note", unique=False, valid=False, ready=False))
    assert finding.severity == "medium"


def test_valid_indexes_are_no_finding() -> None:
    assert findings_of(invalid_index, index_of("id"), index_of("note", unique=False)) == []


def test_an_invalid_unique_index_keeps_nothing_unique_and_says_why() -> None:
    (finding,) = findings_of(missing_unique, index_of("id", valid=False))
    assert [row.text for row in finding.evidence] == ["does not: it is not valid: the build that made it failed"]
    assert finding.verdict == "confirmed"


@pytest.mark.parametrize(
    "more", [{"partial": True}, {"prefix": True}, {"valid": False}, {"unique": False}, {"collations": ("NOCASE",)}]
)
def test_an_index_that_only_looks_like_the_primary_key_is_not_redundant(more: dict[str, object]) -> None:
    primary = index_of("id", name="p", primary=True)
    assert findings_of(redundant_index, primary, index_of("id", **more)) == []
    assert [one.key for one in findings_of(redundant_index, primary, index_of("id"))] == [{"index": "i"}]
