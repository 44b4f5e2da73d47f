"""The tool's own tables in MariaDB: made once, given what they lack, and never used when somebody altered them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Refused
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.repair.databases.mysql import MysqlRepair
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.mysql import MysqlSource
from dedupaudit.sources.tables.protocol import Reading
from dedupaudit.urls import parse_database_url
from tests.servers.mariadb import MariadbServer

DATABASE, OTHER = "repair prepares", "repair elsewhere"


def opened(url: str) -> closing[MysqlRepair]:
    return closing(MysqlRepair(DatabaseSettings("db", parse_database_url(url))))


def catalog_of(url: str, *parts: str) -> Catalog:
    source = MysqlSource(DatabaseSettings("db", parse_database_url(url)), Interrupt(), SILENT, Reading())
    with closing(source):
        catalog = source.catalog(parts or ("t",))
    assert catalog is not None
    return catalog


def made(server: MariadbServer, *statements: str) -> str:
    url = server.create_database(DATABASE)
    for statement in statements or ("CREATE TABLE t (pk int PRIMARY KEY, v varchar(20))",):
        server.execute(statement, database=DATABASE)
    return url


def prepared(url: str, *parts: str) -> str:
    catalog = catalog_of(url, *parts)
    with opened(url) as database:
        database.prepare([catalog])
        return database.quarantine(catalog)


def shown(server: MariadbServer, name: str) -> str:
    return str(server.execute(f"SHOW CREATE TABLE {name}", database=DATABASE)[0][1])


def test_preparing_twice_changes_nothing(mariadb: MariadbServer) -> None:
    url = made(mariadb)
    with opened(url) as database:
        assert not database.has_own_tables()
    quarantine = prepared(url)
    assert quarantine == f"`{DATABASE}`.`dedupaudit_quarantine_t`"
    before = [shown(mariadb, name) for name in ("dedupaudit_runs", "dedupaudit_journal", quarantine)]
    assert prepared(url) == quarantine
    assert [shown(mariadb, name) for name in ("dedupaudit_runs", "dedupaudit_journal", quarantine)] == before
    with opened(url) as database:
        assert database.has_own_tables()
        assert database.connection.texts("SELECT @@sql_mode")[0][0].count("NO_BACKSLASH_ESCAPES") == 1  # type: ignore[union-attr]


def test_a_quarantine_has_the_types_and_nothing_else(mariadb: MariadbServer) -> None:
    url = made(
        mariadb,
        "CREATE TABLE t (pk int AUTO_INCREMENT PRIMARY KEY,"
        " v varchar(9) COLLATE latin1_german2_ci NOT NULL DEFAULT 'x',"
        " at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, g int AS (h + 1) STORED,"
        " h int INVISIBLE, j json, e enum('a\\\\', ''''), c varchar(100) COMPRESSED, UNIQUE (v), CHECK (h > 0))",
    )
    prepared(url)
    columns = mariadb.execute(
        "SELECT column_name, column_type, collation_name, is_nullable, extra, column_default, column_key"
        f" FROM information_schema.columns WHERE table_schema = '{DATABASE}'"
        " AND table_name = 'dedupaudit_quarantine_t' AND column_name NOT LIKE 'dedupaudit%' ORDER BY ordinal_position"
    )
    general, null = "utf8mb4_general_ci", ("YES", "", "NULL", "")
    assert columns == [
        ("pk", "int(11)", None, *null),
        ("v", "varchar(9)", "latin1_german2_ci", *null),
        ("at", "timestamp", None, *null),
        ("g", "int(11)", None, *null),
        ("h", "int(11)", None, *null),
        ("j", "longtext", "utf8mb4_bin", *null),
        ("e", "enum('a\\\\','''')", general, *null),
        ("c", "varchar(100)", general, *null),
    ]
    assert "CHECK" not in shown(mariadb, "dedupaudit_quarantine_t")
    with opened(url) as database:
        catalog = catalog_of(url)
        assert database.auto_updated(catalog) == ("at",)
        mariadb.execute("ALTER TABLE t ADD COLUMN a2 timestamp NULL ON UPDATE CURRENT_TIMESTAMP", database=DATABASE)
        with database.transaction():
            assert database.auto_updated(catalog) == ("at", "a2")


def test_a_column_that_the_table_was_given_is_given_to_the_quarantine(mariadb: MariadbServer) -> None:
    url = made(mariadb)
    quarantine = prepared(url)
    with opened(url) as database:
        before = database.shape(catalog_of(url))
        mariadb.execute("ALTER TABLE t ADD COLUMN w decimal(9, 2) NOT NULL DEFAULT 1, ADD COLUMN x enum('\\\\')",
                        database=DATABASE)  # fmt: skip
        assert database.shape(catalog_of(url)) != before
    mariadb.execute(f"INSERT INTO {quarantine} (dedupaudit_run, dedupaudit_chunk, dedupaudit_step, dedupaudit_role, pk)"
                    " VALUES ('run', 1, 1, 'victim', 5)")  # fmt: skip
    assert prepared(url) == quarantine
    assert mariadb.execute(f"SELECT pk, w, x FROM {quarantine}") == [(5, None, None)]
    # A column that the table lost stays: what is in it belongs to rows that an undo brings back.
    mariadb.execute("ALTER TABLE t DROP COLUMN w", database=DATABASE)
    prepared(url)


@pytest.mark.parametrize(
    ("alteration", "said"),
    [
        ("ALTER TABLE {q} MODIFY v varchar(10)", "its column v is varchar(10)"),
        ("ALTER TABLE {q} MODIFY v varchar(20) COLLATE utf8mb4_bin", "its column v is varchar(20) utf8mb4 utf8mb4_bin"),
        ("ALTER TABLE {q} MODIFY v varchar(20) COLLATE utf8mb4_general_ci NOT NULL", "its column v takes no NULL"),
        (
            "ALTER TABLE {q} MODIFY v varchar(20) COLLATE utf8mb4_general_ci AS ('x') STORED",
            "its column v is set by the server",
        ),
        ("ALTER TABLE {q} DROP COLUMN dedupaudit_step", "it has no column dedupaudit_step"),
        ("ALTER TABLE {q} ENGINE = MyISAM", "its engine is MyISAM"),
        ("CREATE TRIGGER x BEFORE INSERT ON {q} FOR EACH ROW SET NEW.v = 1", "it has a trigger, x"),
        ("ALTER TABLE dedupaudit_runs DROP COLUMN token", "it has no column token"),
        ("ALTER TABLE dedupaudit_journal ENGINE = Aria", "its engine is Aria"),
    ],
)
def test_what_somebody_altered_is_not_used(mariadb: MariadbServer, alteration: str, said: str) -> None:
    url = made(mariadb)
    quarantine = prepared(url)
    mariadb.execute(alteration.format(q=quarantine), database=DATABASE)
    with pytest.raises(Refused, match="was altered") as raised:
        prepared(url)
    assert said in raised.value.message
    assert "RENAME TABLE" in raised.value.hint


def test_a_view_of_that_name_is_not_used(mariadb: MariadbServer) -> None:
    url = made(mariadb, "CREATE TABLE t (pk int PRIMARY KEY)", "CREATE VIEW dedupaudit_quarantine_t AS SELECT * FROM t")
    with pytest.raises(Refused, match="it is no table"):
        prepared(url)


def test_a_type_that_the_table_changed_is_said(mariadb: MariadbServer) -> None:
    url = made(mariadb)
    prepared(url)
    mariadb.execute("ALTER TABLE t MODIFY v varchar(30)", database=DATABASE)
    with pytest.raises(Refused, match=r"its column v is varchar\(20\).* and not varchar\(30\)"):
        prepared(url)


def test_without_rights_the_grant_is_named(mariadb: MariadbServer) -> None:
    made(mariadb)
    mariadb.execute("CREATE OR REPLACE USER 'fixer'@'%' IDENTIFIED BY 'x'")
    mariadb.execute(f"GRANT SELECT, DELETE ON `{DATABASE}`.t TO 'fixer'@'%'")
    url = mariadb.url(user="fixer", password="x", database=DATABASE)
    with pytest.raises(Refused) as raised:
        prepared(url)
    grants = raised.value.hint.split("; ")
    assert grants[0] == (
        f"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER ON `{DATABASE}`.`dedupaudit_runs` TO 'fixer'@'%'"
    )
    assert len(grants) == 3
    for grant in grants:
        with pytest.raises(Refused):
            prepared(url)
        mariadb.execute(grant)
    assert prepared(url)
    # With CREATE and without the rest: the tables are there, and cannot be used.
    mariadb.execute(f"REVOKE INSERT ON `{DATABASE}`.`dedupaudit_journal` FROM 'fixer'@'%'")
    with pytest.raises(Refused, match="may not"):
        prepared(url)


def test_two_sessions_prepare_at_the_same_time(mariadb: MariadbServer) -> None:
    url = made(mariadb, *(f"CREATE TABLE t{number} (pk int PRIMARY KEY)" for number in range(8)))
    catalogs = [catalog_of(url, f"t{number}") for number in range(8)]

    def prepare(_number: int) -> None:
        with opened(url) as database:
            database.prepare(catalogs)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, range(4)))
    assert len(mariadb.execute("SHOW TABLES LIKE 'dedupaudit%'", database=DATABASE)) == 10
    # A column that both find lacking is given once.
    for number in range(8):
        mariadb.execute(f"ALTER TABLE t{number} ADD COLUMN v int", database=DATABASE)
    catalogs = [catalog_of(url, f"t{number}") for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, range(4)))


def test_names_of_quarantines_are_different_for_different_tables(mariadb: MariadbServer) -> None:
    long = "x" * 63
    url = made(
        mariadb,
        "CREATE TABLE t (pk int PRIMARY KEY)",
        f"CREATE TABLE {long}a (pk int PRIMARY KEY)",
        f"CREATE TABLE {long}b (pk int PRIMARY KEY)",
        f"CREATE TABLE `{'é' * 60}` (pk int PRIMARY KEY)",
    )
    mariadb.create_database(OTHER)
    mariadb.execute("CREATE TABLE t (pk int PRIMARY KEY)", database=OTHER)
    names = [prepared(url, *parts) for parts in (("t",), (long + "a",), (long + "b",), ("é" * 60,), (OTHER, "t"))]
    assert len(set(names)) == 5
    assert all(name.startswith(f"`{DATABASE}`.`dedupaudit_quarantine_") for name in names)
    assert all(len(name) <= len(DATABASE) + 64 + 5 for name in names)
    mariadb.execute("CREATE TABLE dedupauditxquarantine_no (a int)", database=DATABASE)
    mariadb.execute("CREATE VIEW dedupaudit_quarantine_no AS SELECT 1", database=DATABASE)
    with opened(url) as database:
        assert sorted(database.quarantines()) == sorted(names)


def test_a_table_as_wide_as_can_be_is_refused(mariadb: MariadbServer) -> None:
    columns: Callable[[int], str] = lambda length: f"CREATE TABLE t (pk int PRIMARY KEY, v varbinary({length}))"  # noqa: E731
    assert prepared(made(mariadb, columns(65_000)))
    with pytest.raises(Refused, match="no quarantine can be made"):
        prepared(made(mariadb, columns(65_520)))
