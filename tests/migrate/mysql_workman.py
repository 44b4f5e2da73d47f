"""One table of a MariaDB server and the workman of its migration, without plan, journal or command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
import pymysql.err

from dedupaudit.config import DatabaseSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases.mysql import DIALECT
from dedupaudit.migrate.databases.mysql_migration import MysqlMigration
from dedupaudit.migrate.databases.protocol import Target
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Step, StepName
from dedupaudit.progress import SILENT
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.sources.tables.mysql import MysqlSource
from dedupaudit.sources.tables.protocol import Reading
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer

DATABASE = "worked on"
CONSTRAINT = "t's key"


def table_of(url: str, key: Sequence[str], name: str = "t") -> Table:
    """Return a table as the catalog has it."""
    with closing(
        MysqlSource(DatabaseSettings("db", parse_database_url(url)), Interrupt(), SILENT, Reading())
    ) as source:
        catalog = source.catalog((name,))
    assert catalog is not None
    columns = tuple(column for one in key if (column := catalog.column(one)))
    assert len(columns) == len(key)
    return Table("db", name, catalog, key=columns, compared=catalog.columns)


@dataclass
class Workman:
    """A table under migration; `run` is an administrator's session in its database."""

    server: MariadbServer
    url: str
    target: Target
    migration: MysqlMigration

    def run(self, statement: str) -> list[Any]:
        """Run a statement as root."""
        return self.server.execute(statement, database=DATABASE)

    def do(self, *names: StepName) -> None:
        """Do steps of the script."""
        steps: dict[StepName, Step] = {step.name: step for step in DIALECT.steps(self.target)}
        for name in names:
            if name in steps:
                self.migration.do(steps[name])

    def connect(self, level: str = "REPEATABLE READ", **options: Any) -> pymysql.Connection[Any]:
        """Open an application's session, which waits a second at most for anybody."""
        connection: pymysql.Connection[Any] = pymysql.connect(
            unix_socket=str(self.server.socket), user="root", database=DATABASE, autocommit=True, **options
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            cursor.execute("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1")
        return connection


def facts_of(url: str, table: Table, constraint: str = CONSTRAINT) -> Facts:
    """Return what is known of a table."""
    return DIALECT.read_facts(DatabaseSettings("db", parse_database_url(url)), table, constraint, Interrupt())


@contextmanager
def working(
    server: MariadbServer,
    columns: str,
    key: Sequence[str] = ("k",),
    *,
    name: str = "t",
    not_null: tuple[str, ...] = (),
    before: Sequence[str] = (),
    interrupt: Interrupt | None = None,
) -> Iterator[Workman]:
    """Make a table, run statements, and give the workman of its migration."""
    url = server.create_database(DATABASE, "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    quoted = "`" + name.replace("`", "``") + "`"
    for statement in (f"CREATE TABLE {quoted} ({columns}) ENGINE=InnoDB", *before):
        server.execute(statement, database=DATABASE)
    table = table_of(url, key, name)
    target = Target(table, CONSTRAINT, not_null, "guarded", facts_of(url, table))
    with closing(MysqlRepair(DatabaseSettings("db", parse_database_url(url)))) as repair:
        yield Workman(server, url, target, MysqlMigration(repair, target, interrupt or Interrupt()))


def answer(connection: pymysql.Connection[Any], statement: str) -> int:
    """Run a statement of the application; return 0, or the number of its error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except pymysql.err.MySQLError as error:
        return int(error.args[0])
    return 0
