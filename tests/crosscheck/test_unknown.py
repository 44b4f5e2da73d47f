"""What cannot be looked at a second time is unknown, and what is found well then is no finding: on every database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dedupaudit.building import Outcome
from dedupaudit.crosscheck.rows import RowReader
from dedupaudit.errors import SourceError
from dedupaudit.progress import Progress
from dedupaudit.snapshot.crossing import Crossing, Looking
from dedupaudit.sources.objects.protocol import ObjectFact
from tests.crosscheck.shots import DATABASES, OLD, Database, Shot, checked, only, settings_of, verdicts
from tests.crosscheck.stub import URL, StubObjects, in_place_of_a_bucket

MD5, OTHER_MD5 = "A" * 32, "B" * 32
LOOKED_AT = {
    "missing_object": {"lost": "confirmed"},
    "orphan_object": {"orphan": "confirmed"},
    "size_mismatch": {"size": "confirmed"},
    "etag_mismatch": {"etag": "confirmed"},
    "unexpected_object": {"early": "confirmed"},
}
ROWS_ALONE = {"shared_object": {"shared": "confirmed"}, "misplaced_object": {"url": "confirmed"}}
SHOTS = [
    Shot("lost", "lost", updated=OLD),
    Shot("size", "size", size=8),
    Shot("etag", "etag", etag=OTHER_MD5),
    Shot("early", "early", status="uploading"),
    Shot("one", "shared"),
    Shot("other", "shared"),
    Shot("url", "url", url="https://cdn.example.com/elsewhere"),
]
KEYS = ("orphan", "size", "etag", "early", "shared", "url")


@pytest.fixture(params=DATABASES, ids=lambda one: one.name)
def database(request: pytest.FixtureRequest) -> Database:
    made: Database = request.param
    return made


def unknown(expected: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {check: dict.fromkeys(same, "unknown") for check, same in expected.items()}


def fact(key: str, size: int = 7, md5: str = MD5, at: float = OLD) -> ObjectFact:
    return ObjectFact(key, size, int(at) * 1_000_000, md5, True)


class Unlucky(StubObjects):
    """A store that lists, and looks at nothing."""

    def look(self, key: str) -> ObjectFact | None:
        raise SourceError("the store is tired")


def hold(
    database: Database,
    folder: Path,
    store: StubObjects,
    prepare: Callable[[pytest.MonkeyPatch], None] | None = None,
) -> Outcome:
    url = database.create(folder, {"screenshots": SHOTS})
    with in_place_of_a_bucket(store) as patch:
        if prepare is not None:
            prepare(patch)
        return checked(settings_of(url, {"url": URL, "threads": 1}))


def test_all_of_it_is_confirmed_where_both_can_be_looked_at(database: Database, tmp_path: Path) -> None:
    found = hold(database, tmp_path, StubObjects({key: fact(key) for key in KEYS}))
    assert verdicts(found) == {**LOOKED_AT, **ROWS_ALONE}
    assert found.report.complete


def test_objects_that_cannot_be_looked_at_again(database: Database, tmp_path: Path) -> None:
    found = hold(database, tmp_path, Unlucky({key: fact(key) for key in KEYS}))
    assert verdicts(found) == {**unknown(LOOKED_AT), **ROWS_ALONE}
    assert "the store is tired" in only(found, "missing_object", "lost").message
    assert not found.report.complete


def test_rows_that_cannot_be_read_again(database: Database, tmp_path: Path) -> None:
    read = RowReader.read

    def tired(
        self: RowReader, crossing: Crossing, look: Looking, progress: Progress, keys: Sequence[str] | None = None
    ) -> int:
        if look == "again":
            raise SourceError("the database is tired")
        return read(self, crossing, look, progress, keys)

    found = hold(
        database,
        tmp_path,
        StubObjects({key: fact(key) for key in KEYS}),
        lambda patch: patch.setattr(RowReader, "read", tired),
    )
    assert verdicts(found) == unknown({**LOOKED_AT, **ROWS_ALONE})
    assert not found.report.complete


@contextmanager
def in_use(database: Database, url: str) -> Iterator[None]:
    """Have an application at work, so that one may write to SQLite while another reads."""
    if database.name != "sqlite":
        yield
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as application:
        application.execute("PRAGMA journal_mode = WAL")
        application.execute("CREATE TABLE in_use (a)")
        application.commit()
        yield


class Meanwhile(StubObjects):
    """A store before whose first second look something happens."""

    def __init__(self, held: dict[str, ObjectFact], happens: Callable[[], None]) -> None:
        super().__init__(held)
        self.happened = False
        self._happens = happens

    def look(self, key: str) -> ObjectFact | None:
        if not self.happened:
            self.happened = True
            self._happens()
        return super().look(key)


def held_meanwhile(
    database: Database,
    folder: Path,
    held: dict[str, ObjectFact],
    statements: Sequence[str],
    happens: Callable[[], None],
) -> Outcome:
    def all_of_it() -> None:
        happens()
        for statement in statements:
            database.execute(url, statement)

    store = Meanwhile(held, all_of_it)
    url = database.create(folder, {"screenshots": SHOTS})
    with in_use(database, url), in_place_of_a_bucket(store):
        found = checked(settings_of(url, {"url": URL, "threads": 1}))
    assert store.happened
    return found


def test_what_was_healed_before_the_second_look_is_no_finding(database: Database, tmp_path: Path) -> None:
    held = {key: fact(key) for key in KEYS}

    def heal() -> None:
        held.update(lost=fact("lost", at=time.time()), size=fact("size", 8), etag=fact("etag", md5=OTHER_MD5))
        del held["orphan"]

    statements = (
        "UPDATE screenshots SET status = 'completed' WHERE id = 'early'",
        "DELETE FROM screenshots WHERE id = 'other'",
        "UPDATE screenshots SET oss_url = NULL WHERE id = 'url'",
    )
    found = held_meanwhile(database, tmp_path, held, statements, heal)
    assert verdicts(found) == {}
    assert found.report.complete


def test_an_orphan_that_gets_its_row_before_the_second_look(database: Database, tmp_path: Path) -> None:
    held = {key: fact(key) for key in KEYS}
    statements = ("UPDATE screenshots SET oss_key = 'orphan' WHERE id = 'lost'",)
    found = verdicts(held_meanwhile(database, tmp_path, held, statements, lambda: None))
    assert "orphan_object" not in found
    assert "missing_object" not in found


def test_what_changes_after_the_first_look_is_told_as_it_is_then(database: Database, tmp_path: Path) -> None:
    held = {key: fact(key) for key in KEYS}
    statements = (
        "UPDATE screenshots SET file_size = 9 WHERE id = 'size'",
        "UPDATE screenshots SET updated_at = '2099-01-01 00:00:00' WHERE id = 'lost'",
    )
    found = held_meanwhile(
        database, tmp_path, held, statements, lambda: held.update(early=fact("early", at=4_000_000_000))
    )
    told = verdicts(found)
    assert told["missing_object"] == {"lost": "in_grace"}
    assert told["unexpected_object"] == {"early": "in_grace"}
    assert "says 9 bytes, and its object has 7" in only(found, "size_mismatch", "size").message
