"""The SQL that preflight tells people to type is run: a hint that fails at 3 a.m. is worse than none."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dedupaudit.migrate.facts import Facts, KeyColumn, Pair
from dedupaudit.migrate.preflight.base import Asked
from tests.migrate.preflight.recorded import ASKED, MARIADB, POSTGRESQL, SQLITE, duplicates, only
from tests.repair import databases
from tests.repair.databases import Database

ODD = 'the key\'s "own" `name`'

Known = tuple[Database, Facts, str, Asked]


def known(database: Database, facts: Facts, quoted: str, asked: str) -> Known:
    return database, facts, quoted, replace(ASKED, quoted=asked, key=(ODD,))


EACH = pytest.mark.parametrize(
    "one",
    [
        known(databases.SQLITE, SQLITE, '"the key\'s ""own"" `name`"', "t"),
        known(databases.POSTGRESQL, POSTGRESQL, '"the key\'s ""own"" `name`"', "public.t"),
        known(databases.MARIADB, MARIADB, '`the key\'s "own" ``name```', "`repaired`.`t`"),
    ],
    ids=lambda one: str(one[0].name),
)
ROWS = [(1, "a"), (2, " "), (3, ""), (4, None), (5, "b")]


def filled(one: Known, folder: Path) -> None:
    database, _facts, quoted, _asked = one
    database.fresh(folder)
    database.run(database.table("t", ["rid BIGINT NOT NULL PRIMARY KEY", f"{quoted} {database.text()}"]))
    database.insert("t", ROWS)


def key(facts: Facts, **changed: object) -> tuple[KeyColumn, ...]:
    return (KeyColumn(ODD, facts.key[0].declared, True, **changed),)  # type: ignore[arg-type]


def sql(hint: str, begins: str) -> str:
    """Return the statement in a hint: up to what a sentence goes on with."""
    (found,) = re.findall(rf"{begins}.*?(?=; |, with the column|$)", hint)
    return str(found)


@EACH
def test_rows_with_a_blank_key_are_shown(one: Known, tmp_path: Path) -> None:
    database, facts, _quoted, asked = one
    filled(one, tmp_path)
    hint = only("blank_keys", facts, asked, key=key(facts), blank_keys=2, **duplicates(left={"blank key": 1})).hint
    assert sorted(row[0] for row in database.ask(sql(hint, "SELECT"))) == [2, 3]


@EACH
def test_rows_with_a_null_key_are_shown(one: Known, tmp_path: Path) -> None:
    database, facts, _quoted, asked = one
    filled(one, tmp_path)
    wanted = replace(asked, not_null=True)
    hint = only("null_keys", facts, wanted, key=key(facts), nulls_forbidden=False, null_keys=1).hint
    assert [row[0] for row in database.ask(sql(hint, "SELECT"))] == [4]


def test_the_longest_keys_are_shown(tmp_path: Path) -> None:
    one = known(databases.POSTGRESQL, POSTGRESQL, '"the key\'s ""own"" `name`"', "public.t")
    filled(one, tmp_path)
    hint = only("key_length", POSTGRESQL, one[3], key=key(POSTGRESQL, longest=9_000)).hint
    assert len(one[0].ask(sql(hint, "SELECT"))) == len(ROWS)


@EACH
def test_a_redundant_index_is_dropped(one: Known, tmp_path: Path) -> None:
    database, facts, quoted, asked = one
    filled(one, tmp_path)
    mark = "`" if facts.product == "mariadb" else '"'
    database.run(f"CREATE INDEX {mark}old one{mark} ON t ({quoted})")
    hint = only("redundant_index", facts, asked, redundant_indexes=("old one",)).hint
    database.run(sql(hint, "(?:DROP|ALTER)"))
    # Gone: its name is free again.
    database.run(f"CREATE INDEX {mark}old one{mark} ON t ({quoted})")


def test_an_invalid_index_is_dropped(tmp_path: Path) -> None:
    one = known(databases.POSTGRESQL, POSTGRESQL, '"the key\'s ""own"" `name`"', "public.t")
    filled(one, tmp_path)
    one[0].insert("t", [(6, "a")])
    with pytest.raises(Exception, match="could not create unique index"):
        one[0].run(f'CREATE UNIQUE INDEX CONCURRENTLY "left over" ON t ({one[2]})')
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    (name,) = [row[0] for row in one[0].ask(invalid)]
    hint = only("invalid_leftovers", POSTGRESQL, one[3], invalid_indexes=(name,)).hint
    one[0].run(sql(hint, "DROP"))
    assert one[0].ask(invalid) == []


@pytest.mark.parametrize("collation", ["insensitive", "default"])
def test_postgresql_compares_bytes_after_the_hint(collation: str, tmp_path: Path) -> None:
    database = databases.POSTGRESQL
    database.fresh(tmp_path)
    database.run(f'CREATE TABLE t (id varchar(20) COLLATE "{collation}")', "INSERT INTO t VALUES ('a'), ('A')")
    asked = replace(ASKED, quoted="public.t", key=("id",))
    column = KeyColumn("id", "character varying(20)", True, collation, bytewise=False)
    pairs = duplicates(groups=1, pairs=(Pair(("a",), ("A",)),))
    hint = only("collation_pairs", POSTGRESQL, asked, key=(column,), **pairs).hint
    database.run(sql(hint, "ALTER"))
    database.run("CREATE UNIQUE INDEX u ON t (id)")
    assert database.ask("SELECT count(*) FROM t") == [(2,)]


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "latin1_swedish_ci"])
def test_mariadb_compares_bytes_after_the_hint(collation: str, tmp_path: Path) -> None:
    database = databases.MARIADB
    database.fresh(tmp_path)
    characters = collation.partition("_")[0]
    database.run(
        f"CREATE TABLE t (rid INT PRIMARY KEY, id VARCHAR(20) CHARACTER SET {characters} COLLATE {collation})",
        "INSERT INTO t VALUES (1, 'a'), (2, 'A'), (3, 'a ')",
    )
    asked = replace(ASKED, quoted="`repaired`.`t`", key=("id",))
    column = KeyColumn("id", "varchar(20)", True, collation, bytewise=False)
    pairs = duplicates(groups=1, pairs=(Pair(("a",), ("A",)),))
    hint = only("collation_pairs", MARIADB, asked, key=(column,), **pairs).hint
    database.run(sql(hint, "ALTER"))
    database.run("CREATE UNIQUE INDEX u ON t (id)")
    assert database.ask("SELECT count(*) FROM t") == [(3,)]


def test_a_table_of_myisam_leaves_its_engine(tmp_path: Path) -> None:
    database = databases.MARIADB
    database.fresh(tmp_path)
    database.run("CREATE TABLE t (rid INT PRIMARY KEY) ENGINE=MyISAM")
    asked = replace(ASKED, quoted="`repaired`.`t`")
    statement = only("engine", MARIADB, asked, engine="MyISAM").hint.partition(" (")[0]
    database.run(statement)
    assert "ENGINE=InnoDB" in database.ask("SHOW CREATE TABLE t")[0][1]
