"""Columns are made NOT NULL, and let have NULL again, and keep the rest of their definition."""

from __future__ import annotations

import pytest

from dedupaudit.errors import Refused
from dedupaudit.migrate.databases.mysql_definition import allowing_null, definition_of, forbidding_null
from dedupaudit.repair.errors import Violation
from tests.migrate.mysql_workman import working
from tests.servers.mariadb import MariadbServer

# As SHOW CREATE TABLE writes it: with NULL, and without.
WRITTEN = {
    "varchar(255) DEFAULT NULL": "varchar(255) NOT NULL",
    "varchar(9) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT NULL": (
        "varchar(9) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL"
    ),
    "varchar(9) DEFAULT 'NULL' COMMENT 'DEFAULT NULL, it''s'": (
        "varchar(9) NOT NULL DEFAULT 'NULL' COMMENT 'DEFAULT NULL, it''s'"
    ),
    "timestamp NULL DEFAULT NULL ON UPDATE current_timestamp()": "timestamp NOT NULL ON UPDATE current_timestamp()",
    "enum('a','b)','DEFAULT NULL') DEFAULT NULL": "enum('a','b)','DEFAULT NULL') NOT NULL",
    "varchar(9) /*!80023 INVISIBLE */ DEFAULT NULL": "varchar(9) NOT NULL /*!80023 INVISIBLE */",
    "varchar(9) INVISIBLE DEFAULT NULL CHECK (`k` <> 'x')": "varchar(9) NOT NULL INVISIBLE CHECK (`k` <> 'x')",
    "int DEFAULT (coalesce(NULL,1))": "int NOT NULL DEFAULT (coalesce(NULL,1))",
    "varchar(9) GENERATED ALWAYS AS (lower(`a`)) VIRTUAL COMMENT 'x'": (
        "varchar(9) GENERATED ALWAYS AS (lower(`a`)) VIRTUAL NOT NULL COMMENT 'x'"
    ),
}


@pytest.mark.parametrize("definition", WRITTEN)
def test_not_null_stands_where_the_grammar_takes_it(definition: str) -> None:
    assert forbidding_null(definition) == WRITTEN[definition]
    assert forbidding_null(WRITTEN[definition]) == WRITTEN[definition]
    assert allowing_null(WRITTEN[definition]) == WRITTEN[definition].replace("NOT NULL", "NULL")


def test_a_definition_is_found_among_others() -> None:
    created = (
        'CREATE TABLE "t" (\n  "a,b" int NOT NULL COMMENT \'"k" (int),\',\n  "k""x" decimal(5,2) DEFAULT NULL,\n'
        '  "back" varchar(9) DEFAULT \'a\\\\b\',\n  PRIMARY KEY ("k")\n) ENGINE=InnoDB'
    )
    assert definition_of(created, 'k"x') == "decimal(5,2) DEFAULT NULL"
    assert definition_of(created, "a,b") == "int NOT NULL COMMENT '\"k\" (int),'"
    assert definition_of(created, "k") is None
    # Whether a backslash is one depends on the session that wrote it.
    assert definition_of(created, "back") is None


def without_null(created: str) -> str:
    return created.replace(" NOT NULL", "").replace(" DEFAULT NULL", "").replace(" NULL ", " ")


@pytest.mark.parametrize(
    "declared",
    [
        "VARCHAR(20) COLLATE utf8mb4_bin DEFAULT 'x' COMMENT 'it''s, \"so\" NULL'",
        "VARCHAR(20) CHARACTER SET latin1 DEFAULT 'x' INVISIBLE",
        "ENUM('a','b,c','d''e') DEFAULT 'a'",
        "BIGINT UNSIGNED DEFAULT 7 CHECK (`k` <> 9)",
        "DECIMAL(9,3) DEFAULT (1 + 1)",
    ],
)
def test_a_column_keeps_all_but_its_null(declared: str, mariadb: MariadbServer) -> None:
    columns = f"a INT PRIMARY KEY, k {declared}, b INT"
    with working(mariadb, columns, not_null=("k",), before=["INSERT INTO t (a) VALUES (1)"]) as work:
        before = work.run("SHOW CREATE TABLE t")[0][1]
        assert not work.migration.standing().nulls_forbidden
        work.do("not_null", "not_null")
        assert work.migration.standing().nulls_forbidden
        during = work.run("SHOW CREATE TABLE t")[0][1]
        assert during != before
        assert without_null(during) == without_null(before)
        work.migration.remove_constraint(not_null=("k",))
        assert work.run("SHOW CREATE TABLE t")[0][1] == before


@pytest.mark.parametrize("default", ["NULL", "'x'", "''"])
def test_a_null_stops_it_whatever_the_default_is(default: str, mariadb: MariadbServer) -> None:
    columns = f"a INT PRIMARY KEY, k VARCHAR(9) DEFAULT {default}"
    with working(mariadb, columns, not_null=("k",), before=["INSERT INTO t VALUES (1, 'y'), (2, NULL)"]) as work:
        before = work.run("SHOW CREATE TABLE t")
        with pytest.raises(Violation):
            work.do("not_null")
        assert work.run("SELECT k FROM t ORDER BY a") == [("y",), (None,)]
        assert work.run("SHOW CREATE TABLE t") == before


def test_what_cannot_be_done_online_is_refused(mariadb: MariadbServer) -> None:
    columns = "a INT PRIMARY KEY, k TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"
    with working(mariadb, columns, not_null=("k",)) as work, pytest.raises(Refused, match="online"):
        work.do("not_null")
