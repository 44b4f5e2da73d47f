"""A whole drill: what is shipped holds, the textbook's versions show their holes, and nothing of it is left."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.config import ObjectsSettings
from dedupaudit.drill import places
from dedupaudit.drill.protocol import DrillResult
from dedupaudit.drill.strategies import STRATEGIES, chosen
from dedupaudit.errors import RunFailed, SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.stores.protocol import ObjectStore
from tests.drill.drilling import by_name, drilled, request, seen, sqlite_file
from tests.drill.seeded import strategy
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer
from tests.servers.redis import RedisServer

SHOWS = {
    "check-then-act": {"duplicates", "double_uploads", "wrong_answers", "lost"},
    "redis-textbook": {"duplicates", "double_uploads", "wrong_answers", "lost"},
    "for-update-bare": {"wrong_answers", "lost"},
    "states-textbook": {"stuck", "wrong_answers", "lost"},
}


def check(result: DrillResult) -> None:
    assert result.held
    for one in result.strategies:
        if one.strategy.recommended:
            assert (one.verdict, one.reason) == ("holds", "")
            assert (one.rows, one.duplicates, one.lost, one.wrong_answers) == (result.ids, 0, 0, 0)
            assert (one.double_uploads, one.stuck) == (0, 0)
            assert one.requests and one.requests > result.ids
            assert one.objects
            assert one.per_second and one.p50_ms and one.p99_ms and one.p50_ms <= one.p99_ms
        else:
            assert one.verdict == "hole_shown"
            assert SHOWS[one.strategy.name] <= seen(one), one


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that temporary files go to, which is to be empty in the end."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def schemas(server: PostgresqlServer, database: str) -> list[object]:
    found = server.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'dedupaudit%'", database=database)
    return [name for (name,) in found]


def test_what_is_shipped_holds_on_postgresql_and_nothing_is_left(
    postgresql: PostgresqlServer, redis: RedisServer, temporary: Path
) -> None:
    url = postgresql.create_database("drilled")
    names = ["redis-lock", "for-update", "version"]
    result = drilled(url, chosen(names), redis=redis.url)
    assert list(by_name(result)) == names
    check(result)
    assert schemas(postgresql, "drilled") == []
    assert os.listdir(temporary) == []
    assert list(redis.client().scan_iter("dedupaudit_drill_*")) == []


def test_what_is_the_user_s_is_left_alone_his_file_and_his_folder(tmp_path: Path, temporary: Path) -> None:
    url = sqlite_file(tmp_path)
    before = (tmp_path / "app.db").read_bytes()
    folder = tmp_path / "objects"
    folder.mkdir()
    (folder / "mine.jpg").write_bytes(b"mine")
    objects = ObjectsSettings(url=folder.as_uri())
    result = drilled(url, chosen(["unique", "redis-lock", "check-then-act"]), objects=objects)
    results = by_name(result)
    assert results.pop("redis-lock").verdict == "skipped"
    check(replace(result, strategies=tuple(results.values())))
    # The user's own object is no orphan of the drill's.
    assert results["unique"].holes == ()
    assert (tmp_path / "app.db").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["mine.jpg"]
    assert os.listdir(temporary) == []


def test_no_probe_lies_in_the_user_s_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str | None] = []
    real = places.open_store

    def noted(objects: ObjectsSettings, interrupt: Interrupt | None = None) -> ObjectStore:
        opened.append(objects.url)
        return real(objects, interrupt)

    monkeypatch.setattr(places, "open_store", noted)
    with places.objects_of(ObjectsSettings(url=tmp_path.as_uri()), "dedupaudit_drill_00000000", Interrupt()):
        assert {*opened} == {(tmp_path / "dedupaudit-drill-00000000").as_uri()}
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_every_strategy_shows_what_it_is_said_to_show(
    kind: str, postgresql: PostgresqlServer, mariadb: MariadbServer, redis: RedisServer
) -> None:
    url = (postgresql if kind == "postgresql" else mariadb).create_database("drilled")
    check(drilled(url, STRATEGIES, redis=redis.url, ids=100))


def test_one_writer_or_no_id_is_a_wrong_usage(tmp_path: Path) -> None:
    url = sqlite_file(tmp_path)
    for few in ({"writers": 1}, {"ids": 0}):
        with pytest.raises(UsageError, match="2 writers at least"):
            drilled(url, [strategy()], **few)


def test_a_redis_that_does_not_answer_is_told_before_anything_began(tmp_path: Path, temporary: Path) -> None:
    with RedisServer() as server:
        url = server.url
    with pytest.raises(SourceError, match="does not answer") as caught:
        drilled(sqlite_file(tmp_path), chosen(["redis-lock"]), redis=url)
    assert not isinstance(caught.value, RunFailed)
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("rights", ["+@all -set", "+@all -@scripting", "+@all resetkeys ~mine:*"])
def test_a_redis_that_refuses_locks_is_told_before_anything_began(
    tmp_path: Path, temporary: Path, redis: RedisServer, rights: str
) -> None:
    """A writer goes on without its lock, and holds: that would be no drill of the lock."""
    url = redis.url.replace("redis://", "redis://limited:x@")
    client: Any
    with closing(redis.client()) as client:
        client.execute_command("ACL", "SETUSER", "limited", "reset", "on", "nopass", "~*", *rights.split())
        try:
            with pytest.raises(SourceError, match="refuses what a lock needs"):
                drilled(sqlite_file(tmp_path), chosen(["redis-lock"]), redis=url)
        finally:
            client.execute_command("ACL", "DELUSER", "limited")
    assert os.listdir(temporary) == []


def test_a_store_that_takes_no_objects_is_told_before_anything_began(tmp_path: Path, temporary: Path) -> None:
    objects = ObjectsSettings(url=(tmp_path / "none").as_uri())
    with pytest.raises(SourceError, match="none"):
        drilled(sqlite_file(tmp_path), [strategy()], objects=objects)
    assert os.listdir(temporary) == []


def test_a_backend_that_cannot_be_made_fails_the_drill(tmp_path: Path, temporary: Path) -> None:
    broken = replace(strategy(), backend="tests.drill.seeded:broken_start")
    with pytest.raises(RunFailed, match="a worker cannot start"):
        drilled(sqlite_file(tmp_path), [broken])
    assert os.listdir(temporary) == []


def test_a_password_of_redis_is_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in repr(request(sqlite_file(tmp_path), redis="redis://:hunter2@127.0.0.1:1/0"))
