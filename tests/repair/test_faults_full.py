"""A server's disk that is full for the quarantine: the chunk is rolled back, the run ends, and with room it goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Completed, Run
from tests.servers.disks import SmallDisk, small_tablespace
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

GROUPS = 40
_BODY = 100_000
"""Bytes of a row that nothing compresses: 4 MB go, and the disk has less."""


def body(number: int) -> str:
    return random.Random(number).randbytes(_BODY // 2).hex()  # noqa: S311 (no secret)


def apply(run: Run, url: str, tmp_path: Path) -> Completed:
    return run("repair", "apply", "p.jsonl", "--confirm", "big", "--chunk-time", "50ms", "--db", url)


def plan(run: Run, url: str, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text('[tables.big]\nkey = ["id"]\n')
    done = run("repair", "plan", "big", "-o", "p.jsonl", "--max-delete", "90%", "--db", url)
    assert done.code == 0, done


@pytest.fixture
def small_disk(postgresql: PostgresqlServer) -> Iterator[SmallDisk]:
    """Give the database `crowded`, where new tables are on a disk of their own."""
    with small_tablespace(postgresql, "small", "crowded", megabytes=2) as disk:
        postgresql.execute("CREATE TABLE big (seq INTEGER PRIMARY KEY, id TEXT, body TEXT)", database="crowded")
        for number in range(2 * GROUPS):
            values = (number, f"id-{number // 2}", body(number // 2))
            postgresql.execute("INSERT INTO big VALUES (%s, %s, %s)", values, database="crowded")
        postgresql.execute("ALTER DATABASE crowded SET default_tablespace = small")
        yield disk


def test_postgresql_a_full_disk_for_quarantine_ends_the_run_and_with_room_it_goes_on(
    run: Run, postgresql: PostgresqlServer, small_disk: SmallDisk, tmp_path: Path
) -> None:
    url = postgresql.url(database="crowded")
    plan(run, url, tmp_path)
    for _ in range(2):
        done = apply(run, url, tmp_path)
        assert done.code == 6, done
        assert b"disk is full" in done.err
        assert b"the same command again" in done.err
        counted = "SELECT (SELECT count(*) FROM big), (SELECT count(*) FROM dedupaudit.quarantine_big)"
        ((rows, copies),) = postgresql.execute(counted, database="crowded")
        assert rows + copies == 2 * GROUPS
        assert rows > GROUPS
    small_disk.grow()
    done = apply(run, url, tmp_path)
    assert done.code == 0, done
    assert postgresql.execute("SELECT count(*) FROM big", database="crowded") == [(GROUPS,)]


@pytest.fixture
def small_mariadb() -> Iterator[MariadbServer]:
    """Give a server whose tables together get 22 MB, which the quarantine does not fit into."""
    settings = {"innodb-file-per-table": "OFF", "innodb-data-file-path": "ibdata1:12M:autoextend:max:22M"}
    with MariadbServer(settings=settings) as server:
        yield server


def test_mariadb_a_full_tablespace_ends_the_run_with_nothing_half_done(
    run: Run, small_mariadb: MariadbServer, tmp_path: Path
) -> None:
    url = small_mariadb.create_database("crowded")
    small_mariadb.execute(
        "CREATE TABLE big (seq INTEGER PRIMARY KEY, id VARCHAR(20), body LONGTEXT)", database="crowded"
    )
    for number in range(2 * GROUPS):
        values = (number, f"id-{number // 2}", body(number // 2))
        small_mariadb.execute("INSERT INTO big VALUES (%s, %s, %s)", values)
    plan(run, url, tmp_path)
    done = apply(run, url, tmp_path)
    assert done.code == 6, done
    assert b"crowded" in done.err
    # With so little room MariaDB 10.11 may crash while it rolls back; what it did not commit is gone all the same.
    small_mariadb.restart()
    ((rows, copies),) = small_mariadb.execute(
        "SELECT (SELECT COUNT(*) FROM big), (SELECT COUNT(*) FROM dedupaudit_quarantine_big)", database="crowded"
    )
    assert rows + copies == 2 * GROUPS
    assert rows > GROUPS
