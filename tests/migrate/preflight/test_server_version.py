"""Versions that are too old, and known bugs of those that are not."""

from __future__ import annotations

import pytest

from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.preflight.server_version import BUGS
from tests.migrate.preflight.recorded import MARIADB, MYSQL, POSTGRESQL, SMALL, SQLITE, only, told

CHECK = "server_version"


@pytest.mark.parametrize(
    ("facts", "version", "text"),
    [
        (POSTGRESQL, (12, 22), "12.22"),
        (MYSQL, (5, 7, 44), "5.7.44-log"),
        (MARIADB, (10, 5, 29), "10.5.29-MariaDB"),
        (SQLITE, (3, 34, 1), "3.34.1"),
    ],
)
def test_a_version_that_is_too_old_is_refused(facts: Facts, version: tuple[int, ...], text: str) -> None:
    concern = only(CHECK, facts, version=version, version_text=text)
    assert concern.level == "refusal"
    assert text in concern.message


def test_a_version_that_has_the_name_already_is_not_named_twice() -> None:
    assert only(CHECK, SQLITE, version=(3, 7), version_text="SQLite 3.7").message.startswith("SQLite 3.7 is too old")
    assert only(CHECK, POSTGRESQL, version=(9, 6), version_text="9.6").message.startswith("PostgreSQL 9.6 is too old")


@pytest.mark.parametrize(
    ("facts", "version"),
    [(POSTGRESQL, (13, 5)), (POSTGRESQL, (14, 4)), (POSTGRESQL, (18, 0)), (MARIADB, (10, 6, 8)), (SQLITE, (3, 35, 0))],
)
def test_versions_that_it_runs_on_are_nothing_to_say(facts: Facts, version: tuple[int, ...]) -> None:
    assert told(CHECK, facts, version=version) == []


@pytest.mark.parametrize("version", [(14, 0), (14, 3)])
def test_postgresql_that_builds_corrupt_indexes_is_refused(version: tuple[int, ...]) -> None:
    concern = only(CHECK, POSTGRESQL, version=version, version_text="14.3")
    assert concern.level == "refusal"
    assert "release notes of 14.4" in concern.message
    assert "update the server to 14.4" in concern.hint
    # One transaction that holds the table builds beside nobody.
    assert told(CHECK, POSTGRESQL, SMALL, version=version) == []


def test_a_bug_of_prepared_transactions_is_one_only_where_there_are_some() -> None:
    assert told(CHECK, POSTGRESQL, version=(13, 4)) == []
    assert only(CHECK, POSTGRESQL, version=(13, 4), prepared_transactions=("x",)).level == "refusal"
    assert told(CHECK, POSTGRESQL, version=(13, 5), prepared_transactions=("x",)) == []


def test_mysql_may_name_a_duplicate_that_is_none() -> None:
    concern = only(CHECK, MYSQL)
    assert concern.level == "note"
    assert "bugs 76895, 104626 and 117237" in concern.message


@pytest.mark.parametrize(
    ("version", "has"),
    [((10, 6, 7), True), ((10, 6, 8), False), ((10, 7, 3), True), ((10, 8, 3), False), ((10, 9), False)],
)
def test_mariadb_did_so_until_it_was_mended_in_each_of_its_series(version: tuple[int, ...], has: bool) -> None:
    assert bool(told(CHECK, MARIADB, version=version)) is has


def test_every_bug_says_where_it_is_told() -> None:
    assert all(bug.where for bug in BUGS)
