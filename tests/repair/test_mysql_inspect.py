"""What stands around a table of MariaDB: foreign keys of every kind, triggers, rights, and why not to repair it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.repair.databases.protocol import Inspection, Trigger
from dedupaudit.sources.tables.mysql import MysqlSource
from dedupaudit.sources.tables.protocol import Reading
from dedupaudit.sources.tables.table import Table
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer

DATABASE, OTHER = "repair looks", "repair's `other é"


def inspected(url: str, name: str = "t", variables: dict[str, str] | None = None) -> Inspection:
    settings = DatabaseSettings("db", parse_database_url(url))
    source = MysqlSource(settings, Interrupt(), SILENT, Reading())
    with closing(source), closing(MysqlRepair(settings)) as database:
        catalog = source.catalog((name,))
        assert catalog is not None
        source.close()
        database.connection.variables.update(variables or {})
        return database.inspect(Table("db", name, catalog, key=catalog.columns[:1], compared=catalog.columns))


def made(server: MariadbServer, *statements: str) -> str:
    for name in (OTHER, DATABASE):
        server.execute("SET SESSION foreign_key_checks = 0")
        url = server.create_database(name)
    server.execute("SET SESSION foreign_key_checks = 1")
    for statement in statements:
        server.execute(statement, database=DATABASE)
    return url


@contextmanager
def role(server: MariadbServer, *grants: str) -> Iterator[str]:
    server.execute("CREATE OR REPLACE USER 'fixer'@'%' IDENTIFIED BY 'x'")
    for grant in grants:
        server.execute(f"GRANT {grant} TO 'fixer'@'%'")
    try:
        yield server.url(user="fixer", password="x", database=DATABASE)
    finally:
        server.execute("DROP USER 'fixer'@'%'")


def test_a_plain_table_has_nothing_around_it(mariadb: MariadbServer) -> None:
    url = made(
        mariadb,
        "CREATE TABLE t (pk bigint PRIMARY KEY, id varchar(50)) PARTITION BY HASH (pk) PARTITIONS 4",
        "CREATE TABLE u (pk bigint PRIMARY KEY, t bigint)",
    )
    assert inspected(url) == Inspection()


def test_every_foreign_key_to_the_table_is_a_link(mariadb: MariadbServer) -> None:
    other = "`" + OTHER.replace("`", "``") + "`"
    url = made(
        mariadb,
        "CREATE TABLE t (pk int, b varchar(20) COLLATE utf8mb4_general_ci, id varchar(20), parent int,"
        " PRIMARY KEY (pk), UNIQUE (pk, b), KEY (id), CONSTRAINT own FOREIGN KEY (parent) REFERENCES t (pk))",
        "CREATE TABLE T (pk int PRIMARY KEY, id int)",
        "CREATE TABLE other_T (pk int PRIMARY KEY, t int, FOREIGN KEY (t) REFERENCES T (pk))",
        "CREATE TABLE a (pk int PRIMARY KEY, t int, CONSTRAINT cascades FOREIGN KEY (t) REFERENCES t (pk)"
        " ON DELETE CASCADE, t2 int, CONSTRAINT nulls FOREIGN KEY (t2) REFERENCES t (pk) ON DELETE SET NULL)",
        "CREATE TABLE b (pk int PRIMARY KEY, y varchar(20) COLLATE utf8mb4_general_ci, x int,"
        " CONSTRAINT composite FOREIGN KEY (x, y) REFERENCES t (pk, b) ON DELETE RESTRICT)",
        "CREATE TABLE c (pk int PRIMARY KEY, id varchar(20), CONSTRAINT loose FOREIGN KEY (id) REFERENCES t (id))",
        f"CREATE TABLE {other}.`d ``é` (pk int PRIMARY KEY, t int,"
        f" CONSTRAINT far FOREIGN KEY (t) REFERENCES `{DATABASE}`.t (pk))",
    )
    found = inspected(url)
    assert found.refusals == ()
    assert {
        link.name: (link.child.quoted, link.columns, link.referenced, link.on_delete, link.unique)
        for link in found.links
    } == {
        "own": (f"`{DATABASE}`.`t`", ("parent",), ("pk",), "RESTRICT", True),
        "cascades": (f"`{DATABASE}`.`a`", ("t",), ("pk",), "CASCADE", True),
        "nulls": (f"`{DATABASE}`.`a`", ("t2",), ("pk",), "SET NULL", True),
        "composite": (f"`{DATABASE}`.`b`", ("x", "y"), ("pk", "b"), "RESTRICT", True),
        "loose": (f"`{DATABASE}`.`c`", ("id",), ("id",), "RESTRICT", False),
        "far": (f"{other}.`d ``é`", ("t",), ("pk",), "RESTRICT", True),
    }
    assert all(link.child.primary_key == ("pk",) for link in found.links)
    assert [link.name for link in inspected(url, "T").links] == ["other_T_ibfk_1"]
    mariadb.execute("DROP TABLE c", database=DATABASE)
    mariadb.execute(
        "CREATE TABLE c (id varchar(20), CONSTRAINT loose FOREIGN KEY (id) REFERENCES t (id) ON DELETE CASCADE)",
        database=DATABASE,
    )
    refusals = " | ".join(inspected(url).refusals)
    assert "foreign key loose" in refusals
    assert "not unique, with ON DELETE CASCADE" in refusals
    assert f"`{DATABASE}`.`c` refers to it, and `{DATABASE}`.`c` has no primary key" in refusals


def test_deleting_one_of_equal_parents_cascades_to_all_children(mariadb: MariadbServer) -> None:
    # Why a foreign key to columns that are not unique is refused where it cascades, and harmless where it restricts.
    made(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY, id int, KEY (id))",
        "CREATE TABLE c (pk int PRIMARY KEY, id int, FOREIGN KEY (id) REFERENCES t (id) ON DELETE CASCADE)",
        "INSERT INTO t VALUES (1, 7), (2, 7)",
        "INSERT INTO c VALUES (1, 7)",
        "DELETE FROM t WHERE pk = 2",
    )
    assert mariadb.execute("SELECT COUNT(*) FROM c", database=DATABASE) == [(0,)]


def test_triggers_that_a_repair_fires_are_named(mariadb: MariadbServer) -> None:
    fires = "FOR EACH ROW SET @x = 1"
    url = made(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY)",
        "CREATE TABLE c (pk int PRIMARY KEY, t int, FOREIGN KEY (t) REFERENCES t (pk))",
        f"CREATE TRIGGER one BEFORE DELETE ON t {fires}",
        f"CREATE TRIGGER two AFTER UPDATE ON t {fires}",
        f"CREATE TRIGGER three AFTER INSERT ON t {fires}",
        f"CREATE TRIGGER four AFTER UPDATE ON c {fires}",
        f"CREATE TRIGGER five AFTER DELETE ON c {fires}",
    )
    assert set(inspected(url).triggers) == {
        Trigger("one", "t", "DELETE"),
        Trigger("two", "t", "UPDATE"),
        Trigger("three", "t", "INSERT"),
        Trigger("four", "c", "UPDATE"),
    }


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("(id int, pk int)", "ADD COLUMN `row_id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY"),
        ("(pk int PRIMARY KEY) ENGINE = MyISAM", "ENGINE=InnoDB"),
        ("(pk int PRIMARY KEY) ENGINE = Aria", "kept by Aria"),
        ("(pk int PRIMARY KEY) WITH SYSTEM VERSIONING", "system versioning"),
        ("(pk int PRIMARY KEY, Dedupaudit_run int)", "Dedupaudit_run has a name that the quarantine needs"),
        ("(pk varchar(20) CHARACTER SET sjis PRIMARY KEY)", "sjis"),
    ],
)
def test_a_table_that_cannot_be_repaired_says_why_and_what_to_do(
    mariadb: MariadbServer, definition: str, said: str
) -> None:
    [refusal] = inspected(made(mariadb, f"CREATE TABLE t {definition}")).refusals
    assert said in refusal


def test_a_view_and_a_statement_log_are_refused(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY)", "CREATE VIEW v AS SELECT * FROM t")
    assert "is a view" in inspected(url, "v").refusals[0]
    logged = {"log_bin": "ON", "sql_log_bin": "ON", "binlog_format": "STATEMENT"}
    [refusal] = inspected(url, variables=logged).refusals
    assert "binlog_format" in refusal
    assert inspected(url, variables=logged | {"binlog_format": "MIXED"}).refusals == ()


def test_missing_rights_are_named_as_grants(mariadb: MariadbServer) -> None:
    made(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY, v int, w int AS (v + 1))",
        "CREATE TABLE c (pk int PRIMARY KEY, t int, FOREIGN KEY (t) REFERENCES t (pk))",
        f"CREATE TABLE `{OTHER.replace('`', '``')}`.d (pk int PRIMARY KEY, t int,"
        f" FOREIGN KEY (t) REFERENCES `{DATABASE}`.t (pk) ON DELETE CASCADE)",
    )
    table, child = f"`{DATABASE}`.`t`", f"`{DATABASE}`.`c`"
    with role(mariadb, f"SELECT ON {table}") as url:
        refusals = inspected(url).refusals
        assert f"the role lacks rights on it: GRANT INSERT, UPDATE, DELETE ON {table} TO 'fixer'@'%'" in refusals
        assert any(f"GRANT TRIGGER ON {table} TO 'fixer'@'%'" in refusal for refusal in refusals)
        assert any("GRANT PROCESS ON *.* TO 'fixer'@'%'" in refusal for refusal in refusals)
    every = f"SELECT, INSERT, UPDATE, DELETE, TRIGGER ON {table}"
    with role(mariadb, "PROCESS ON *.*", every, f"UPDATE ON {child}") as url:
        refusals = inspected(url).refusals
        assert len(refusals) == 3
        assert "GRANT SELECT, UPDATE ON `repair's ``other é`.`d` TO 'fixer'@'%'" in refusals[0]
        assert f"lacks rights on it: GRANT SELECT, UPDATE ON {child}" in refusals[1]
        assert f"GRANT TRIGGER ON {child}" in refusals[2]
    with role(mariadb, "PROCESS ON *.*", f"ALL ON `{DATABASE}`.*", "ALL ON *.*") as url:
        assert inspected(url).refusals == ()
