"""Both kinds of servers behind one face, so that a fault is tested once and happens on each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from tests.cli.launching import completed
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

DATABASE = "faults"
LOGIN = "fault_reader"
PASSWORD = "Zq7-hunter2"
PATIENCE = 60.0  # seconds that a busy machine may take for what takes one

TABLES = ("activities", "screenshots", "processes")
BURNING = " -- for a second or longer"


def until(holds: Callable[[], Any], what: str) -> Any:
    """Return the first true answer; a machine that never gives one fails with `what` was waited for."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return answer


class Target(Protocol):
    """A server with the database `faults`: three tables, and a login that may read them and nothing else."""

    scheme: str
    port: int
    product: str
    """What an error calls it."""
    endless: str
    """An SQL condition that takes hours, and that a role without any further right may ask."""

    def execute(self, sql: str) -> list[Any]:
        """Run SQL in the database as who may do everything."""

    def sessions(self) -> list[tuple[int, str]]:
        """Return the audit's sessions, each with its statement, or '' where it is idle.

        A statement that has run for a second has `BURNING` behind it: it is the one that never ends. The condition's
        text alone would not tell: the audit asks before whether it is valid, and holds no lock after that.
        """

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Open one more connection to the database as who may do everything, in a transaction."""

    def kill(self) -> None: ...


class Postgresql:
    """PostgreSQL."""

    scheme = "postgresql"
    product = "PostgreSQL"
    endless = (
        "(SELECT count(*) FROM generate_series(1, 9999) a, generate_series(1, 9999) b, generate_series(1, 9999) c) > 0"
    )

    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.port = server.port

    def execute(self, sql: str) -> list[Any]:
        return self.server.execute(sql, database=DATABASE)

    def sessions(self) -> list[tuple[int, str]]:
        return self.server.execute(
            "SELECT pid, CASE WHEN state <> 'active' THEN ''"
            " WHEN clock_timestamp() - query_start > interval '1 second'"
            f" THEN query || '{BURNING}' ELSE query END FROM pg_stat_activity"
            " WHERE application_name LIKE 'dedupaudit%' AND backend_type = 'client backend'"
        )

    @contextmanager
    def connection(self) -> Iterator[Any]:
        connection = self.server.connect(DATABASE)
        connection.autocommit = False
        try:
            yield connection
        finally:
            connection.close()

    def kill(self) -> None:
        self.server.kill()

    def setup(self) -> None:
        self.server.create_database(DATABASE)
        self.execute(f"DROP ROLE IF EXISTS {LOGIN}")
        for table in TABLES:
            self.execute(f"CREATE TABLE {table} (pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {_COLUMNS})")
        self.execute(f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'")
        self.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {LOGIN}")


class Mariadb:
    """MariaDB."""

    scheme = "mariadb"
    product = "MariaDB"
    endless = (
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
        " SELECT COUNT(*) FROM n a, n b, n c, n d WHERE a.i + b.i + c.i + d.i > 0) > 0"
    )

    def __init__(self, server: MariadbServer) -> None:
        self.server = server
        self.port = server.port
        self.login = LOGIN

    def execute(self, sql: str) -> list[Any]:
        return self.server.execute(sql, database=DATABASE)

    def sessions(self) -> list[tuple[int, str]]:
        rows = self.server.execute(
            f"SELECT ID, CONCAT(COALESCE(INFO, ''), IF(INFO IS NOT NULL AND TIME_MS > 1000, '{BURNING}', ''))"
            " FROM information_schema.PROCESSLIST WHERE USER = %s",
            (self.login,),
        )
        return [(int(number), str(text)) for number, text in rows]

    @contextmanager
    def connection(self) -> Iterator[Any]:
        connection = self.server.connect(DATABASE)
        connection.autocommit(False)
        try:
            yield connection
        finally:
            connection.close()

    def kill(self) -> None:
        self.server.kill()

    def setup(self) -> None:
        # MariaDB does not notice that a client is gone: what an earlier test cut off would go on for hours.
        for number, _ in self.sessions():
            self.server.execute(f"KILL {number}")
        self.server.create_database(DATABASE, "CHARACTER SET utf8mb4")
        self.execute(f"DROP USER IF EXISTS {LOGIN}")
        for table in TABLES:
            self.execute(f"CREATE TABLE {table} (pk bigint AUTO_INCREMENT PRIMARY KEY, {_COLUMNS})")
        self.execute(f"CREATE USER {LOGIN} IDENTIFIED BY '{PASSWORD}'")
        for table in TABLES:
            self.execute(f"GRANT SELECT ON {DATABASE}.{table} TO {LOGIN}")
        self.execute(f"GRANT PROCESS ON *.* TO {LOGIN}")


_COLUMNS = "id varchar(80), device_id varchar(40), type varchar(20), created_at timestamp NULL"

AnyTarget = Postgresql | Mariadb


def fill(target: AnyTarget, *tables: str) -> None:
    """Write three rows of one ID, and one of another."""
    for table in tables or TABLES:
        rows = ", ".join(
            f"('{table}_{number}', 'd1', 'click', '2025-12-24 08:0{place}:14')"
            for place, number in enumerate((1, 1, 1, 2))
        )
        target.execute(f"INSERT INTO {table} (id, device_id, type, created_at) VALUES {rows}")


def fill_many(target: AnyTarget, table: str, rows: int) -> None:
    """Write so many rows, each ID twice."""
    columns = "id, device_id, type"
    if isinstance(target, Postgresql):
        target.execute(
            f"INSERT INTO {table} ({columns})"
            " SELECT 'activity_' || (1766557428498 + n / 2 * 7919 % 4999999), 'd1', 'x'"
            f" FROM generate_series(1, {rows}) n"
        )
    else:
        target.execute(
            f"INSERT INTO {table} ({columns}) SELECT CONCAT('activity_', 1766557428498 + seq DIV 2 * 7919 % 4999999),"
            f" 'd1', 'x' FROM seq_1_to_{rows}"
        )


def url(
    target: AnyTarget,
    *,
    user: str = LOGIN,
    password: str | None = PASSWORD,
    host: str = "127.0.0.1",
    port: int | None = None,
    database: str = DATABASE,
    options: Mapping[str, str] | None = None,
) -> str:
    """Return the URL that the program takes."""
    secret = "" if password is None else ":" + quote(password, safe="")
    query = f"?{urlencode(options)}" if options else ""
    return f"{target.scheme}://{user}{secret}@{host}:{port or target.port}/{database}{query}"


def configuration(database_url: str, tables: Mapping[str, str | None]) -> str:
    """Return a dedupaudit.toml that scans these tables, each with its condition."""
    parts = [f'[database]\nurl = "{database_url}"\n']
    for table, condition in tables.items():
        parts.append(f"[tables.{table}]\n" + (f'where = "{condition}"\n' if condition else ""))
    return "".join(parts)


def gone(target: AnyTarget) -> list[tuple[int, str]]:
    """Wait until the server has no session of the audit left."""
    until(lambda: not target.sessions(), "the end of the audit's sessions on the server")
    return target.sessions()


def running(target: AnyTarget, words: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server runs a statement of the audit that has these words."""

    def runs() -> bool:
        assert process.poll() is None, completed(process)
        return any(words in text for _, text in target.sessions())

    until(runs, f"a statement of the audit with {words}")
