"""A disk that is full in mid-build: nothing is half done that status does not show, and with room it goes on."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Completed, Run
from tests.migrate.killing import MigrateRunner
from tests.repair.killing import Order
from tests.servers.disks import SmallDisk, small_tablespace
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

# Others keep locks, or fill a disk: nearly all of the time is waiting.
pytestmark = pytest.mark.slow

ROWS = 6_000
DUPLICATES = 20
_KEY = 400
"""Characters of a key that nothing compresses: an index has more than two megabytes."""


def keys() -> list[tuple[int, str]]:
    """Return rows with IDs, the last ones twice."""
    dice = random.Random(7)  # noqa: S311 (no secret)
    stored = [(n, dice.randbytes(_KEY // 2).hex()) for n in range(ROWS)]
    return stored + [(ROWS + n, stored[n][1]) for n in range(DUPLICATES)]


def planned(run: Run, url: str, tmp_path: Path, *options: str) -> None:
    (tmp_path / "dedupaudit.toml").write_text('[tables.big]\nkey = ["id"]\nvolatile = ["seq"]\n')
    done = run("migrate", "plan", "big", "-o", "p.jsonl", "--db", url, *options)
    assert done.code == 0, done


def applied(run: Run, url: str) -> Completed:
    return run("migrate", "apply", "p.jsonl", "--confirm", "big", "--wait", "20s", "--db", url)


def shown(run: Run, url: str) -> dict[str, object]:
    (table,) = run("migrate", "status", "big", "--format", "json", "--db", url).json()["tables"]
    return dict(table)


@pytest.fixture
def small_disk(postgresql: PostgresqlServer) -> Iterator[SmallDisk]:
    """Give the database `migrated`, where new indexes are on a disk of their own."""
    with small_tablespace(postgresql, "migrated", "migrated", megabytes=1) as disk:
        postgresql.execute("CREATE TABLE big (seq INTEGER PRIMARY KEY, id TEXT NOT NULL)", database="migrated")
        with closing(postgresql.connect("migrated")) as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO big VALUES (%s, %s)", keys())
        postgresql.execute("ALTER DATABASE migrated SET default_tablespace = migrated")
        yield disk


def _indexes(postgresql: PostgresqlServer) -> list[str]:
    return [
        name
        for (name,) in postgresql.execute(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'big'::regclass AND NOT indisprimary",
            database="migrated",
        )
    ]


@pytest.mark.parametrize("strategy", ["guarded", "small"])
def test_postgresql_a_full_disk_ends_the_build_and_with_room_it_goes_on(
    run: Run, postgresql: PostgresqlServer, small_disk: SmallDisk, tmp_path: Path, strategy: str
) -> None:
    url = postgresql.url(database="migrated")
    planned(run, url, tmp_path, "--strategy", strategy)
    for _ in range(2):
        done = applied(run, url)
        assert done.code == 6, done
        assert b"full" in done.err or b"space" in done.err, done
        assert b"same command again" in done.err
        assert _indexes(postgresql) == []
        assert postgresql.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", database="migrated") == [
            (0,)
        ]
        assert shown(run, url)["leftovers"] == []
    small_disk.grow()
    done = applied(run, url)
    assert done.code == 0, done
    assert _indexes(postgresql) == ["big_id_key"]
    assert postgresql.execute("SELECT count(*), count(DISTINCT id) FROM big", database="migrated") == [(ROWS, ROWS)]
    ((copies,),) = postgresql.execute("SELECT count(*) FROM dedupaudit.quarantine_big", database="migrated")
    assert copies == DUPLICATES


@pytest.fixture
def small_mariadb() -> Iterator[MariadbServer]:
    """Give a server whose tables together get 18 MB: the rows and one index on their key fit, two do not."""
    settings = {"innodb-file-per-table": "OFF", "innodb-data-file-path": "ibdata1:12M:autoextend:max:18M"}
    with MariadbServer(settings=settings) as server:
        yield server


def test_mariadb_a_full_tablespace_ends_the_build_with_nothing_half_done(
    run: Run, small_mariadb: MariadbServer, tmp_path: Path
) -> None:
    url = small_mariadb.create_database("crowded")
    small_mariadb.execute("CREATE TABLE big (seq INTEGER PRIMARY KEY, id VARCHAR(500) NOT NULL)", database="crowded")
    rows = keys()
    for first in range(0, len(rows), 500):
        values = ", ".join(f"({n}, '{key}')" for n, key in rows[first : first + 500])
        small_mariadb.execute(f"INSERT INTO big VALUES {values}", database="crowded")
    planned(run, url, tmp_path)
    done = applied(run, url)
    assert done.code == 6, done
    # MariaDB 10.11 says that it could not rename the index, or that the table is full: as it comes.
    assert b"crowded: " in done.err, done
    assert b"same command again" in done.err
    names = small_mariadb.execute(
        "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_name = 'big'", database="crowded"
    )
    assert bool(shown(run, url)["leftovers"]) == (set(names) - {("PRIMARY",)} != set())
    (counted,) = small_mariadb.execute(
        "SELECT (SELECT COUNT(*) FROM big) + (SELECT COUNT(*) FROM dedupaudit_quarantine_big)", database="crowded"
    )
    assert counted == (ROWS + DUPLICATES,)
    assert ("big_id_key",) not in names
    assert shown(run, url)["unfinished"]
    # So full, InnoDB drops nothing either: the way out is room, and that is said.
    rolled = run("migrate", "rollback", "big", "--confirm", "big", "--db", url)
    assert rolled.code in (0, 3, 6), rolled
    assert rolled.code == 0 or b"free space" in rolled.err, rolled


def test_sqlite_a_file_that_may_not_grow_is_left_as_it_was_and_with_room_it_goes_on(
    tmp_path: Path, clean_env: Mapping[str, str], run: Run
) -> None:
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE big (seq INTEGER PRIMARY KEY, id TEXT NOT NULL)")
        connection.executemany("INSERT INTO big VALUES (?, ?)", keys())
        connection.commit()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    url = f"sqlite:///{path}"
    planned(run, url, tmp_path)
    apply = Order(("migrate", "apply", "p.jsonl", "--confirm", "big", "--db", url, "--wait", "20s"))
    with MigrateRunner(tmp_path, clean_env) as runner:
        for _ in range(2):
            done = runner.start(replace(apply, pragmas=(f"PRAGMA max_page_count = {pages + 150}",))).completed()
            assert done.code == 6, done
            assert b"full" in done.err, done
            assert b"same command again" in done.err
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("SELECT COUNT(*) FROM big").fetchone() == (ROWS + DUPLICATES,)
                assert connection.execute("SELECT name FROM pragma_index_list('big')").fetchall() == []
        done = runner.start(apply).completed()
        assert done.code == 0, done
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*), COUNT(DISTINCT id) FROM big").fetchone() == (ROWS, ROWS)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
