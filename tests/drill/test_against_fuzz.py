"""Bodies that are thought to touch nothing outside, made at random of what begins and ends texts: servers run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import psycopg2
import pymysql
import pytest

from dedupaudit.drill.against.bodies import Language, why_not
from tests.repair.databases import MARIADB, POSTGRESQL

_PIECES = (
    "'", "''", '"', "$$", "$a$", "$1$", "$", "`", "--", "-- ", "--\x01", "#", "/*", "*/", "/*!", "/*M!", "\n", "\r",
    "\x01", "\x0b", "\xa0", " ", "\\", "\\'", '"\\"', "E'", "U&'", "N'", "B'", "-- '", "--'\n", "# '\n", "/* ' */",
    "x", "1", ",", ";", "||", "(", ")", "@", "SELECT 1", "PERFORM ", "NEW.v := ", "SET NEW.v = ", '"a"', '"evil"()',
    "evil()", " evil ( ) ", "1evil()", "evil()",
)  # fmt: skip
_BODIES = 40_000


def harmless(language: Language, begin: str, end: str) -> Iterator[str]:
    """Yield bodies that name a function which writes, and that are taken for harmless all the same."""
    random = Random(9)  # noqa: S311 (the same bodies in every run)
    for _ in range(_BODIES):
        body = begin + "".join(random.choice(_PIECES) for _ in range(random.randint(2, 9))) + end
        if "evil" in body and why_not(body, language, frozenset({"public"})) is None:
            yield body


@pytest.mark.slow
def test_postgresql_runs_none_that_writes(tmp_path: Path) -> None:
    POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "CREATE TABLE log (n int); CREATE TABLE t (id text, v text)",
        "CREATE FUNCTION evil() RETURNS text LANGUAGE sql AS 'INSERT INTO log VALUES (1) RETURNING 1::text'",
    )
    ran = 0
    for body in harmless("postgresql", "BEGIN NEW.v := ", "; RETURN NEW; END"):
        quoted = body.replace("'", "''")
        try:
            POSTGRESQL.run(
                f"CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS '{quoted}'",
                "CREATE OR REPLACE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
                "INSERT INTO t VALUES ('a')",
            )
        except psycopg2.Error:
            continue
        ran += 1
        assert POSTGRESQL.ask("SELECT count(*) FROM log") == [(0,)], body
    assert ran > 20


@pytest.mark.slow
def test_mariadb_runs_none_that_writes(tmp_path: Path) -> None:
    MARIADB.fresh(tmp_path)
    MARIADB.run(
        "CREATE TABLE log (n INT)",
        "CREATE TABLE t (id VARCHAR(9), v VARCHAR(99))",
        "CREATE FUNCTION evil() RETURNS INT BEGIN INSERT INTO log VALUES (1); RETURN 1; END",
    )
    modes = ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES")
    ran = 0
    try:
        for number, body in enumerate(harmless("mysql", "BEGIN SET NEW.v = ", "; END")):
            try:
                MARIADB.run(
                    f"SET sql_mode = '{modes[number % len(modes)]}'",
                    "DROP TRIGGER IF EXISTS f",
                    f"CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW {body}",
                    "INSERT INTO t VALUES ('a', 'b')",
                )
            except pymysql.err.MySQLError:
                continue
            ran += 1
            assert MARIADB.ask("SELECT count(*) FROM log") == [(0,)], body
    finally:
        MARIADB.run("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
    assert ran > 20
