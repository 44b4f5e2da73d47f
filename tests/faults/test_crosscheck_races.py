"""What changes between two requests of `crosscheck`: objects and rows come and go, and nobody is accused for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.crosscheck.scene import OLD_SECONDS, Row, database, found_in, hold, oss_objects, picture
from tests.faults.test_crosscheck_oss import MISSING, OBJECTS, ORPHANS, WHOLE, db, honest, quick, server, statuses
from tests.oss import faults
from tests.oss.faults import Rule
from tests.oss.server import FakeOss

__all__ = ["db", "quick", "server"]

LOST, STRAY = picture(10_001), picture(30)
When = Callable[[FakeOss, str, Callable[[], object]], Rule]


def at_look(server: FakeOss, key: str, hook: Callable[[], object]) -> Rule:
    return server.misbehave(Rule(faults.before(hook), kind="head", key=key))


def at_first_look(server: FakeOss, key: str, hook: Callable[[], object]) -> Rule:
    return server.misbehave(Rule(faults.before(hook), kind="head"))


def after_preflight(server: FakeOss, key: str, hook: Callable[[], object]) -> Rule:
    return server.misbehave(Rule(faults.after(hook), kind="list"))


def in_the_listing(server: FakeOss, key: str, hook: Callable[[], object]) -> Rule:
    return server.misbehave(Rule(faults.before(hook), kind="list", nth=4))


def at_the_end_of_the_listing(server: FakeOss, key: str, hook: Callable[[], object]) -> Rule:
    return server.misbehave(Rule(faults.after(hook), kind="list", nth=5))


WHENS: list[When] = [at_look, at_first_look, after_preflight, in_the_listing, at_the_end_of_the_listing]
# No reader keeps a writer waiting while objects are listed; before that the catalog is read.
WHENS_OF_ROWS = [when for when in WHENS if when is not after_preflight]


def do(path: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


@pytest.mark.parametrize("modified", [OLD_SECONDS, None])
@pytest.mark.parametrize("when", WHENS)
def test_an_object_that_appears_is_not_missing(server: FakeOss, db: Path, when: When, modified: int | None) -> None:
    rule = when(server, LOST, lambda: server.bucket.put(LOST, b"", modified))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    honest(outcome, MISSING - {"s10001"})
    assert rule.used == 1
    assert found_in(outcome, "missing_object") == MISSING - {"s10001"}
    assert found_in(outcome, "orphan_object") == ORPHANS


@pytest.mark.parametrize("when", WHENS)
def test_an_orphan_that_vanishes_is_none(server: FakeOss, db: Path, when: When) -> None:
    rule = when(server, STRAY, lambda: server.bucket.remove(STRAY))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    assert honest(outcome, orphans=ORPHANS - {STRAY})
    assert outcome.report.complete
    assert rule.used == 1


@pytest.mark.parametrize("when", WHENS_OF_ROWS)
def test_an_orphan_whose_row_comes_is_none(server: FakeOss, db: Path, when: When) -> None:
    """Whatever the row's own time says: one of an hour ago may be written by a client that was offline."""
    rule = when(server, STRAY, lambda: database(db, [Row("late", STRAY)]))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    assert honest(outcome, orphans=ORPHANS - {STRAY})
    assert outcome.report.complete
    assert rule.used == 1


@pytest.mark.parametrize("when", WHENS_OF_ROWS)
def test_a_row_that_goes_or_is_corrected_has_no_missing_object(server: FakeOss, db: Path, when: When) -> None:
    when(server, LOST, lambda: do(db, "DELETE FROM screenshots WHERE oss_key = ?", LOST))
    when(server, LOST, lambda: do(db, "UPDATE screenshots SET oss_key = ? WHERE oss_key = ?", STRAY, picture(10_002)))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    assert honest(outcome, frozenset({"s10000"}), ORPHANS - {STRAY})
    assert outcome.report.complete


def test_a_row_that_begins_its_upload_again_expects_no_object(server: FakeOss, db: Path) -> None:
    at_first_look(server, LOST, lambda: do(db, "UPDATE screenshots SET status = 'uploading' WHERE oss_key = ?", LOST))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    assert honest(outcome, MISSING - {"s10001"})


def test_an_object_that_vanishes_before_its_page_is_missing_indeed(server: FakeOss, db: Path) -> None:
    in_the_listing(server, "", lambda: server.bucket.remove(picture(69)))
    assert honest(hold(db, oss_objects(server, threads=WHOLE)), MISSING | {"s00069"})


def test_an_object_that_is_replaced_meanwhile_is_not_missing(server: FakeOss, db: Path) -> None:
    """Deleted before its page is listed and written again before it is looked at."""
    key = picture(69)
    in_the_listing(server, key, lambda: server.bucket.remove(key))
    at_look(server, key, lambda: server.bucket.put(key))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    assert honest(outcome)
    assert outcome.report.complete


def test_a_bucket_that_is_emptied_while_it_is_listed(server: FakeOss, db: Path) -> None:
    in_the_listing(server, "", lambda: server.bucket.fill([]))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    assert found_in(outcome, "orphan_object") == set()
    gone = {f"s{number:05}" for number in range(OBJECTS)}
    assert found_in(outcome, "missing_object") <= MISSING | gone


def test_a_bucket_that_is_deleted_after_it_was_listed_has_no_missing_object(server: FakeOss, db: Path) -> None:
    at_the_end_of_the_listing(server, "", lambda: server.store.buckets.pop("pictures"))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    honest(outcome)
    assert found_in(outcome, "missing_object", "unknown") == MISSING
    assert statuses(outcome)["multipart_leftover"] == "failed"


def test_a_database_that_goes_away_after_its_rows_were_read_leaves_all_unknown(server: FakeOss, db: Path) -> None:
    at_first_look(server, "", lambda: do(db, "DROP TABLE screenshots"))
    outcome = hold(db, oss_objects(server, threads=WHOLE))
    honest(outcome)
    assert found_in(outcome, "missing_object") == set()
    assert found_in(outcome, "orphan_object") == set()
    assert not outcome.report.complete
