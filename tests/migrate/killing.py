"""Migrations in processes that are killed or signalled at a statement, and what is left of one, by plain SQL.

The processes, the tables and the application are those of the repair's own matrix. `python -m tests.migrate.killing`
is its runner, with a migration's modules imported too.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.conftest import ROOT, Completed
from tests.repair import killing, killing_tables
from tests.repair.killing import Child, Order, Point, Runner
from tests.repair.killing_tables import MariadbPlace, Place, PostgresqlPlace, SqlitePlace
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

CONFIG = killing_tables.CONFIG + 'volatile = ["seq", "note"]\n'
CONSTRAINT = "uploads_id_key"
_PATIENCE = 60.0
_SHOWN = 120


class MigrateRunner(Runner):
    """Forks processes that have a migration's modules already."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.migrate.killing"],
            cwd=folder,
            env={**env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def ordered(place: Place, verb: str, *options: str, point: Point | None = None, plan: str = "p.jsonl") -> Order:
    """Return the order of one command of `migrate` on the table."""
    what = {"plan": ("plan", "uploads", "-o", plan, "--max-delete", "90%"), "apply": ("apply", plan)}
    words = what.get(verb, (verb, "uploads"))
    confirm = ("--confirm", "uploads") if verb in ("apply", "rollback") else ()
    wait = ("--wait", "20s") if verb in ("apply", "rollback") else ()
    return Order(("migrate", *words, *confirm, "--db", place.url, *wait, *options), point)


def patiently(runner: Runner, order: Order) -> Completed:
    """Run a command as a user would after a crash: again, as long as the dead session has the lock."""
    until = time.monotonic() + _PATIENCE
    while True:
        done = runner.start(order).completed()
        if done.code != 75 or time.monotonic() > until:
            return done
        time.sleep(0.05)


_CHANGES = re.compile(r"^(before COMMIT|COMMIT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP|LOCK|REVOKE|GRANT|BEGIN)")
_COMMITS = 4


def points_of(child: Child) -> list[Point]:
    """Return where a process like this one is to be killed: after each kind of statement that changes or locks.

    Killed after a read it leaves what it left before it. A kind is told by its first words; the last statement of a
    kind is a point as well as the first, and of the many commits each fourth.
    """
    kinds = Counter[str]()
    for line in child._read("seen").splitlines():
        text = str(json.loads(line))
        if _CHANGES.match(text):
            kinds[r"^" + r"\s+".join(map(re.escape, text.split()[:4]))] += 1
    found = []
    for kind, count in kinds.items():
        commits = kind in ("^COMMIT", r"^before\s+COMMIT")
        found += [Point(nth, kind) for nth in (range(1, count + 1, _COMMITS) if commits else sorted({1, count}))]
    return found


# ---- the places, with what a migration may leave


class MigratePlace(Place, Protocol):
    """A database of the matrix; it knows what a migration may leave."""

    strategy: str

    def traces(self) -> list[str]:
        """Return all that the tool made around the table and that is no constraint, by the catalog."""

    def constraint(self) -> str:
        """Return `valid` where the constraint is there in every respect, `none` where nothing of it is."""


class MigrateSqlite(SqlitePlace):
    """A file."""

    strategy = "small"

    def traces(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(
                "SELECT type || ' ' || name FROM sqlite_master WHERE (tbl_name = 'uploads' AND type <> 'table'"
                " AND name <> ? AND name NOT LIKE 'sqlite_autoindex%') OR name LIKE '%guard%' OR name LIKE '%lookup%'",
                (CONSTRAINT,),
            ).fetchall()
        return [str(name) for (name,) in rows]

    def constraint(self) -> str:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(
                "SELECT \"unique\", origin, partial FROM pragma_index_list('uploads') WHERE name = ?", (CONSTRAINT,)
            ).fetchall()
        return {(): "none", ((1, "c", 0),): "valid"}.get(tuple(rows), repr(rows))


_PARTITIONED = (
    "CREATE TABLE uploads (seq BIGINT, id VARCHAR(60) NOT NULL, device_id VARCHAR(20), status VARCHAR(20),"
    " oss_key VARCHAR(60), retry_count INTEGER, note VARCHAR(60), PRIMARY KEY (id, seq)) PARTITION BY HASH (id)",
    "CREATE TABLE uploads_0 PARTITION OF uploads FOR VALUES WITH (MODULUS 3, REMAINDER 0)",
    "CREATE TABLE uploads_1 PARTITION OF uploads FOR VALUES WITH (MODULUS 3, REMAINDER 1)",
    "CREATE TABLE uploads_2 PARTITION OF uploads FOR VALUES WITH (MODULUS 3, REMAINDER 2)",
)


class MigratePostgresql(PostgresqlPlace):
    """A database; `restore` makes the tables anew, since a migration alters them."""

    def __init__(self, server: PostgresqlServer, strategy: str, database: str = "mkills") -> None:
        self.strategy = strategy
        self._made = False
        super().__init__(server, database, linked=strategy != "partitioned")

    def restore(self) -> None:
        statements = ["DROP TABLE IF EXISTS tags, written, uploads CASCADE", *killing_tables._tables(self.linked)]
        if self.strategy == "partitioned":
            statements[1:2] = _PARTITIONED
        with contextlib.closing(self.server.connect(self._database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        super().restore()

    def traces(self) -> list[str]:
        return [
            str(name)
            for (name,) in self.server.execute(
                "WITH mine AS (SELECT oid FROM pg_class WHERE relname ~ '^uploads(_[0-9])?$' AND relkind IN ('r', 'p'))"
                " SELECT 'index ' || indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END"
                " FROM pg_index WHERE indrelid IN (SELECT oid FROM mine) AND NOT indisprimary"
                " AND NOT (indisunique AND indisvalid AND indisready AND EXISTS (SELECT FROM pg_constraint"
                " WHERE conindid = indexrelid AND contype = 'u'))"
                " UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal"
                " AND tgrelid IN (SELECT oid FROM mine)"
                " UNION ALL SELECT 'check ' || conname FROM pg_constraint WHERE contype = 'c'"
                " AND conrelid IN (SELECT oid FROM mine)"
                " UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace ="
                " (SELECT oid FROM pg_namespace WHERE nspname = 'dedupaudit')"
                " UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relnamespace ="
                " (SELECT oid FROM pg_namespace WHERE nspname = 'dedupaudit') AND relname ~ 'guard|lookup'",
                database=self._database,
            )
        ]

    def constraint(self) -> str:
        rows = self.server.execute(
            "SELECT conrelid::regclass::text, conindid::regclass::text, indisvalid, indisunique, indisready,"
            " condeferrable, pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_index ON indexrelid = conindid"
            " WHERE contype = 'u' AND conrelid::regclass::text ~ '^uploads' ORDER BY 1",
            database=self._database,
        )
        tables = ["uploads", "uploads_0", "uploads_1", "uploads_2"] if self.strategy == "partitioned" else ["uploads"]
        if not rows:
            return "none"
        named = [row[0] for row in rows] == tables and rows[0][1] == CONSTRAINT
        sound = all(row[2:] == (True, True, True, False, "UNIQUE (id)") for row in rows)
        return "valid" if named and sound else repr(rows)


class MigrateMariadb(MariadbPlace):
    """A database; `restore` makes the tables anew, since a migration alters them."""

    strategy = "guarded"

    def __init__(self, server: MariadbServer, database: str = "mkills") -> None:
        super().__init__(server, database)

    def restore(self) -> None:
        # The application's tables first, those of the tool that nobody refers to after them.
        for table in ("tags", "uploads", "written", *self._own()):
            self.server.execute(f"DROP TABLE IF EXISTS `{table}`", database=self._database)
        for statement in (*killing_tables._tables(self.linked, " ENGINE = InnoDB"), *killing_tables._inserts()):
            self.server.execute(statement, database=self._database)

    def _own(self) -> list[str]:
        rows = self.server.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
            " AND table_name LIKE 'dedupaudit%%'",
            (self._database,),
        )
        return [str(name) for (name,) in rows]

    def traces(self) -> list[str]:
        found = self.server.execute(
            "SELECT CONCAT('trigger ', trigger_name) FROM information_schema.triggers WHERE event_object_schema = %s"
            " UNION ALL SELECT DISTINCT CONCAT('index ', index_name) FROM information_schema.statistics"
            " WHERE table_schema = %s AND table_name = 'uploads' AND index_name NOT IN ('PRIMARY', %s)"
            " UNION ALL SELECT CONCAT('routine ', routine_name) FROM information_schema.routines"
            " WHERE routine_schema = %s",
            (self._database, self._database, CONSTRAINT, self._database),
        )
        return [str(name) for (name,) in found] + [name for name in self._own() if "guard" in name or "lookup" in name]

    def constraint(self) -> str:
        rows = self.server.execute(
            "SELECT non_unique, seq_in_index, column_name, sub_part FROM information_schema.statistics"
            " WHERE table_schema = %s AND table_name = 'uploads' AND index_name = %s",
            (self._database, CONSTRAINT),
        )
        return {(): "none", ((0, 1, "id", None),): "valid"}.get(tuple(rows), repr(rows))


# ---- within the process that forks


class _Recording(killing._Watch):
    """Writes down what it sees as well."""

    def __init__(self, point: Point, told: Path) -> None:
        super().__init__(point, told)
        self._seen_at = told.with_suffix(".seen")

    def after(self, text: str) -> None:
        if self.armed and threading.current_thread() is threading.main_thread():
            with self._seen_at.open("a") as out:
                out.write(json.dumps(text[:_SHOWN]) + "\n")
        super().after(text)


if __name__ == "__main__":
    killing._Watch = _Recording  # type: ignore[misc]
    killing.serve()
