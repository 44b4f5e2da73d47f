"""`--against`: what could reach out of the scratch is left out and said, and nothing of the user's is ever written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.drill.against import AgainstTable
from dedupaudit.drill.against.bodies import Language, inserts_into, leaves_the_key, why_not
from dedupaudit.drill.protocol import Scratch
from dedupaudit.errors import SourceError, UsageError
from tests.drill.copying import copied, rows_after_a_retry, send
from tests.repair.databases import DATABASES, MARIADB, POSTGRESQL, SQLITE, Database
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer


@contextmanager
def unchanged(
    database: Database, url: str, table: str = "t", values: dict[str, str] | None = None, **configured: Any
) -> Iterator[tuple[Scratch, AgainstTable]]:
    """Copy a table for the block; the whole database is the same afterwards, its catalog included."""
    before = everything(database)
    with copied(url, table, values, **(configured or {"key": ("id",)})) as made:
        yield made
    assert everything(database) == before


def everything(database: Database) -> str:
    """Return what changes with anything at all; PostgreSQL keeps the empty schemas of sessions' temporary tables."""
    return re.sub(r"\('pg_(toast_)?temp_\d+',\),? ?", "", str(database.content()))


def plpgsql(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $f$ {body} $f$"


# ---- triggers that keep duplicates out, and that touch nothing else

ONCE = {
    "postgresql": (
        plpgsql(
            "once",
            "BEGIN IF TG_OP = 'INSERT' AND EXISTS (SELECT 1 FROM t WHERE id = NEW.id) THEN"
            " RAISE EXCEPTION 'there already: %', NEW.id USING ERRCODE = 'unique_violation'; END IF;"
            " -- INSERT INTO log\n RETURN NEW; END",
        ),
        "CREATE TRIGGER once BEFORE INSERT OR UPDATE ON t FOR EACH ROW WHEN (NEW.id <> 'INSERT')"
        " EXECUTE FUNCTION once()",
    ),
    "mariadb": (
        "CREATE TRIGGER once BEFORE INSERT ON t FOR EACH ROW BEGIN"
        " IF EXISTS (SELECT 1 FROM t WHERE id = NEW.id) THEN"
        " SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'DELETE me not'; END IF; END",
    ),
    "sqlite": (
        "CREATE TRIGGER once BEFORE INSERT ON t BEGIN"
        " SELECT RAISE(ABORT, 'there already') FROM t WHERE id = NEW.id; END",
    ),
}


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
def test_a_textbook_trigger_for_uniqueness_is_copied_and_protects(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    database.run(database.table("t", [f"id {database.text()} NOT NULL", "v INTEGER"]), *ONCE[database.name])
    with unchanged(database, url) as (scratch, against):
        assert against.shape.triggers == ("once",)
        assert against.shape.left_out == ()
        assert rows_after_a_retry(scratch, against) == 1
        # That no two of a drill met between its look and their COMMITs was luck.
        assert bool(against.shape.doubts) is (database is not SQLITE)


# ---- triggers that write elsewhere

LOG = {
    "postgresql": (
        plpgsql("log_it", "BEGIN INSERT INTO log (id) VALUES (NEW.id); RETURN NULL; END"),
        "CREATE TRIGGER log_it AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION log_it()",
    ),
    "mariadb": ("CREATE TRIGGER log_it AFTER INSERT ON t FOR EACH ROW INSERT INTO log (id) VALUES (NEW.id)",),
    "sqlite": ("CREATE TRIGGER log_it AFTER INSERT ON t BEGIN INSERT INTO log (id) VALUES (NEW.id); END",),
}
NUMBER = {
    "postgresql": "bigserial PRIMARY KEY",
    "mariadb": "BIGINT AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "INTEGER PRIMARY KEY",
}


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
def test_an_audit_log_is_left_out_and_stays_empty(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    database.run(
        database.table("t", [f"id {text} NOT NULL", "v INTEGER"]),
        database.table("log", [f"n {NUMBER[database.name]}", f"id {text}"]),
        *LOG[database.name],
    )
    with unchanged(database, url) as (scratch, against):
        [(what, why)] = against.shape.left_out
        assert what == "trigger log_it"
        assert "log" in why if database is SQLITE else "INSERT" in why
        assert not against.shape.uncertain
        assert rows_after_a_retry(scratch, against) == 2
        assert database.ask("SELECT count(*) FROM log") == [(0,)]


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
def test_a_log_that_takes_each_id_once_could_keep_duplicates_out(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    database.run(database.table("t", [f"id {text} NOT NULL", "v INTEGER"]))
    for columns in (
        [f"id {text} NOT NULL UNIQUE"],
        # The same default each time makes no difference.
        [f"id {text} NOT NULL", "kind INTEGER NOT NULL DEFAULT 1", "UNIQUE (id, kind)"],
    ):
        database.run("DROP TABLE IF EXISTS log", database.table("log", columns))
        if columns[1:] == []:
            database.run(*LOG[database.name])
        with unchanged(database, url) as (_scratch, against):
            assert against.shape.uncertain, columns


def test_a_trigger_of_sqlites_that_may_undo_an_insert_leaves_it_open(tmp_path: Path) -> None:
    url = SQLITE.fresh(tmp_path)
    SQLITE.run("CREATE TABLE log (n INTEGER PRIMARY KEY)", "CREATE TABLE t (id INTEGER NOT NULL, v INTEGER)")
    for body, is_open, doubts in [
        ("INSERT INTO log SELECT max(n) FROM log", True, 0),
        ("INSERT INTO log VALUES (NEW.id)", True, 0),
        ("DELETE FROM t WHERE id = NEW.id AND rowid <> NEW.rowid; DELETE FROM log", True, 0),
        ("UPDATE t SET id = abs(random()) WHERE rowid = NEW.rowid; DELETE FROM log", True, 1),
    ]:
        SQLITE.run("DROP TRIGGER IF EXISTS x", f"CREATE TRIGGER x AFTER INSERT ON t BEGIN {body}; END")
        with unchanged(SQLITE, url) as (_scratch, against):
            assert (against.shape.uncertain, len(against.shape.doubts)) == (is_open, doubts), body


def test_a_trigger_that_fails_at_the_second_row_alone_is_left_out(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "CREATE TABLE settings (strict bool)",
        "CREATE TABLE t (id text NOT NULL, v int)",
        plpgsql(
            "once",
            "BEGIN IF EXISTS (SELECT 1 FROM t WHERE id = NEW.id) THEN IF (SELECT strict FROM settings) THEN"
            " RAISE unique_violation; END IF; END IF; RETURN NEW; END",
        ),
        "CREATE TRIGGER once BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION once()",
    )
    with unchanged(POSTGRESQL, url) as (_scratch, against):
        assert (against.shape.triggers, against.shape.uncertain) == ((), True)


@pytest.mark.parametrize("database", [POSTGRESQL, MARIADB], ids=lambda database: database.name)
def test_a_trigger_that_may_give_a_row_another_key_leaves_a_no_open(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    database.run(database.table("t", [f"id {database.text()} NOT NULL PRIMARY KEY", "v INTEGER"]))
    if database is POSTGRESQL:
        before = "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
        changes, keeps = (plpgsql("f", f"BEGIN {part}; RETURN NEW; END") for part in ("NEW.id := g()", "NEW.v := g()"))
        database.run("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'", changes, before)
        made: tuple[str, ...] = (keeps.replace("CREATE", "CREATE OR REPLACE"),)
    else:
        database.run("CREATE FUNCTION g() RETURNS INT RETURN 1")
        database.run("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.id = g()")
        made = ("DROP TRIGGER x", "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.v = g()")
    with unchanged(database, url) as (_scratch, against):
        assert len(against.shape.doubts) == 1
    database.run(*made)
    with unchanged(database, url) as (_scratch, against):
        assert against.shape.doubts == ()
    if database is POSTGRESQL:
        later = "UPDATE public.t SET id = id || now() WHERE id = NEW.id"
        database.run(
            plpgsql("later", f"BEGIN {later}; RETURN NULL; END"),
            "CREATE TRIGGER y AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION later()",
        )
        with unchanged(database, url) as (_scratch, against):
            assert [doubt.partition(" was ")[0] for doubt in against.shape.doubts] == ["trigger y"]


@pytest.mark.parametrize(
    ("body", "leaves"),
    [
        ("BEGIN NEW.v := evil(); RETURN NEW; END", True),
        ("BEGIN NEW.v := 1; NEW.id := 2; RETURN NEW; END", False),
        ('BEGIN NEW."Id" := 2; RETURN NEW; END', False),
        ("BEGIN NEW := evil(NEW); RETURN NEW; END", False),
        ("BEGIN SELECT * INTO NEW FROM evil(); RETURN NEW; END", False),
        ("BEGIN IF evil() THEN RETURN NULL; END IF; RETURN NEW; END", False),
        ("BEGIN RETURN evil(); END", False),
    ],
)
def test_which_bodies_store_the_row_by_the_key_that_it_came_with(body: str, leaves: bool) -> None:
    assert leaves_the_key(body, "postgresql", ("id",)) is leaves


OUTSIDE = {
    "a function of the user's": "BEGIN PERFORM evil(); RETURN NEW; END",
    "by its schema": "BEGIN PERFORM public.evil(); RETURN NEW; END",
    "quoted": 'BEGIN PERFORM "evil"(); RETURN NEW; END',
    "quoted, with escapes": 'BEGIN PERFORM U&"\\0065vil"(); RETURN NEW; END',
    "a sequence": "BEGIN NEW.v := nextval('public.s'); RETURN NEW; END",
    "a text that is run": "BEGIN EXECUTE 'INSERT INTO public.log VALUES (1)'; RETURN NEW; END",
    "a notification": "BEGIN PERFORM pg_notify('c', NEW.id); RETURN NEW; END",
    "a lock of the application's": "BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END",
    "a row of the real table": "BEGIN IF EXISTS (SELECT 1 FROM public.t WHERE id = NEW.id) THEN RETURN NULL; END IF;"
    " RETURN NEW; END",
    "a table that is not copied": "BEGIN IF NOT EXISTS (SELECT 1 FROM log) THEN RETURN NULL; END IF; RETURN NEW; END",
    "behind a nested comment": "BEGIN /* /* */ */ RETURN NEW; END",
    "a query in a text": "BEGIN PERFORM query_to_xml('SELECT evil()', true, true, ''); RETURN NEW; END",
    "an operator": "BEGIN NEW.v := 1 OPERATOR(public.#!#) 2; RETURN NEW; END",
    "a WITH": "BEGIN WITH w AS (DELETE FROM public.log RETURNING 1) SELECT 1 INTO NEW.v FROM w; RETURN NEW; END",
}


@pytest.fixture(scope="module")
def outsiders(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a table for each body, and what they would reach."""
    url = POSTGRESQL.fresh(tmp_path_factory.mktemp("outsiders"))
    POSTGRESQL.run(
        "CREATE TABLE log (n int)",
        "CREATE SEQUENCE s",
        "CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'INSERT INTO public.log VALUES (1) RETURNING 1'",
        "CREATE FUNCTION plus(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.evil()'",
        "CREATE OPERATOR #!# (LEFTARG = int, RIGHTARG = int, FUNCTION = plus)",
    )
    return url


def test_what_reaches_out_is_left_out_whatever_it_is(outsiders: str) -> None:
    POSTGRESQL.run("DROP TABLE IF EXISTS t; CREATE TABLE t (id text NOT NULL, v int, created_at timestamptz)")
    for number, body in enumerate(OUTSIDE.values()):
        POSTGRESQL.run(
            plpgsql(f"f{number}", body),
            f"CREATE TRIGGER f{number:02} BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f{number}()",
        )
    POSTGRESQL.run(
        "CREATE TRIGGER z BEFORE INSERT ON t FOR EACH ROW WHEN (public.evil() = 1) EXECUTE FUNCTION f10()",
        "CREATE FUNCTION in_c() RETURNS trigger LANGUAGE internal AS 'suppress_redundant_updates_trigger'",
        "CREATE TRIGGER zz BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION in_c()",
    )
    with unchanged(POSTGRESQL, outsiders) as (scratch, against):
        assert against.shape.triggers == ()
        left = dict(against.shape.left_out)
        assert list(left) == [*(f"trigger f{number:02}" for number in range(len(OUTSIDE))), "trigger z", "trigger zz"]
        assert against.shape.uncertain
        assert rows_after_a_retry(scratch, against) == 2


def test_defaults_checks_and_indexes_of_the_users_own_functions_are_left_out(outsiders: str) -> None:
    POSTGRESQL.run(
        "CREATE OR REPLACE FUNCTION same(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT public.evil()::text'",
        "DROP TABLE IF EXISTS t",
        "CREATE TABLE t (id text NOT NULL, n int NOT NULL DEFAULT evil(), m int NOT NULL DEFAULT nextval('s') * 2,"
        " at timestamptz NOT NULL DEFAULT now(), low text GENERATED ALWAYS AS (same(id)) STORED,"
        " CONSTRAINT c CHECK (same(id) <> ''))",
        "CREATE UNIQUE INDEX i ON t (same(id))",
        "CREATE INDEX plain ON t (lower(id))",
    )
    with unchanged(POSTGRESQL, outsiders) as (scratch, against):
        assert {what for what, _why in against.shape.left_out} == {
            "the default of column n",
            "the default of column m",
            "the expression of column low",
            "CHECK c",
            "index i",
        }
        assert against.shape.uncertain
        assert {"n", "m"} <= set(against.row(1, "d"))
        assert rows_after_a_retry(scratch, against) == 2


def test_a_domain_of_the_users_own_functions_cannot_be_drilled(outsiders: str) -> None:
    POSTGRESQL.run(
        "DROP TABLE IF EXISTS t",
        "CREATE DOMAIN careful AS text CHECK (evil() = 1 OR value = '')",
        "CREATE TABLE t (id careful)",
    )
    with pytest.raises(SourceError, match="domain of column id"), unchanged(POSTGRESQL, outsiders):
        pass


def test_a_rule_that_swallows_duplicates_leaves_it_open(outsiders: str) -> None:
    POSTGRESQL.run(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id text NOT NULL, v int)",
        "CREATE RULE once AS ON INSERT TO t WHERE EXISTS (SELECT 1 FROM t WHERE id = NEW.id) DO INSTEAD NOTHING",
    )
    with unchanged(POSTGRESQL, outsiders) as (scratch, against):
        assert [what for what, _why in against.shape.left_out] == ["rule once"]
        assert against.shape.uncertain
        assert rows_after_a_retry(scratch, against) == 2


def test_names_that_try_to_get_out_of_their_quotes(outsiders: str) -> None:
    table, column = "we'ird %s; -- \n", 'i"d % $$ ON public.log '
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (table, column)]
    POSTGRESQL.run(
        f"DROP TABLE IF EXISTS {quoted[0]}; CREATE TABLE {quoted[0]} ({quoted[1]} text PRIMARY KEY, v int)",
        "DROP FUNCTION IF EXISTS fine CASCADE",
        plpgsql("fine", "BEGIN RETURN NEW; END"),
        f'CREATE TRIGGER "x ON public.log " BEFORE INSERT OR UPDATE OF {quoted[1]} ON {quoted[0]} FOR EACH ROW'
        " EXECUTE FUNCTION fine(' EXECUTE FUNCTION public.evil()')",
        f'CREATE TRIGGER "it\'s" BEFORE INSERT ON {quoted[0]} FOR EACH ROW'
        f" WHEN (NEW.{quoted[1]} <> ') EXECUTE FUNCTION public.evil(') EXECUTE FUNCTION fine('a', 'b c')",
    )
    with unchanged(POSTGRESQL, outsiders, "odd", name=("public", table), key=(column,)) as (scratch, against):
        assert against.shape.triggers == ("it's",)
        assert [what for what, _why in against.shape.left_out] == ['trigger "x ON public.log "']
        assert rows_after_a_retry(scratch, against) == 1


def test_mariadbs_triggers_that_reach_out_are_left_out(tmp_path: Path) -> None:
    url = MARIADB.fresh(tmp_path)
    MARIADB.run(
        "CREATE TABLE log (id VARCHAR(64), n INT)",
        "CREATE SEQUENCE s",
        "CREATE PROCEDURE p() INSERT INTO log VALUES ('p', 1)",
        "CREATE FUNCTION f() RETURNS INT BEGIN INSERT INTO log VALUES ('f', 1); RETURN 1; END",
        "CREATE TABLE t (id VARCHAR(64) NOT NULL, v INT, n BIGINT NOT NULL DEFAULT (NEXT VALUE FOR s))",
    )
    bodies = [
        "CALL p()",
        "SET NEW.v = f()",
        "SET NEW.v = repaired.f()",
        "IF EXISTS (SELECT 1 FROM repaired.t WHERE id = NEW.id) THEN SET NEW.v = 1; END IF",
        "IF EXISTS (SELECT 1 FROM log WHERE id = NEW.id) THEN SIGNAL SQLSTATE '45000'; END IF",
        "SET @taken = GET_LOCK(NEW.id, 1)",
        "DELETE FROM log",
        "REPLACE INTO log VALUES (NEW.id, 1)",
        "SET NEW.v = /*! f() */ + 1",
    ]
    for number, body in enumerate(bodies):
        MARIADB.run(f"CREATE TRIGGER t{number} BEFORE INSERT ON t FOR EACH ROW {body}")
    MARIADB.run(
        "CREATE TRIGGER dedupaudit_guard_0123456789ab_lock_insert BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 1",
        "CREATE TRIGGER later BEFORE UPDATE ON t FOR EACH ROW SET NEW.v = 1",
    )
    with unchanged(MARIADB, url) as (scratch, against):
        left = dict(against.shape.left_out)
        assert {f"trigger t{number}" for number in range(len(bodies))} <= set(left)
        assert "the migration is under way" in left["trigger dedupaudit_guard_0123456789ab_lock_insert"]
        assert "does not fire on INSERT" in left["trigger later"]
        assert "the default of column n" in left
        assert against.shape.triggers == ()
        assert against.shape.uncertain
        assert rows_after_a_retry(scratch, against) == 2
    assert MARIADB.ask("SELECT next_not_cached_value FROM s") == [(1,)]


def test_a_table_whose_rows_lie_in_another_is_refused(tmp_path: Path) -> None:
    url = MARIADB.fresh(tmp_path)
    MARIADB.run(
        "CREATE TABLE part (id VARCHAR(9) NOT NULL, KEY (id)) ENGINE = MyISAM",
        "CREATE TABLE t (id VARCHAR(9) NOT NULL, KEY (id)) ENGINE = MERGE UNION = (part) INSERT_METHOD = LAST",
        "CREATE VIEW seen AS SELECT * FROM part",
    )
    with pytest.raises(UsageError, match="engine MRG_M"), unchanged(MARIADB, url):
        pass
    with pytest.raises(UsageError, match="is a view"), unchanged(MARIADB, url, "seen"):
        pass


def test_triggers_that_the_role_cannot_see_leave_it_open(tmp_path: Path, mariadb: MariadbServer) -> None:
    url = MARIADB.fresh(tmp_path)
    MARIADB.run("CREATE TABLE t (id VARCHAR(64) NOT NULL, v INT)")
    mariadb.execute("DROP USER IF EXISTS driller")
    mariadb.execute("CREATE USER driller IDENTIFIED BY 'Zq7-hunter2'")
    mariadb.execute(r"GRANT ALL ON `dedupaudit\_drill\_%`.* TO driller")
    mariadb.execute("GRANT SELECT ON repaired.t TO driller")
    theirs = url.replace("root@", "driller:Zq7-hunter2@")
    with unchanged(MARIADB, theirs) as (scratch, against):
        [(what, why)] = against.shape.left_out
        assert (what, against.shape.uncertain) == ("the triggers", True)
        assert "GRANT TRIGGER ON `repaired`.`t` TO 'driller'@'%'" in why
        assert rows_after_a_retry(scratch, against) == 2
    mariadb.execute("GRANT TRIGGER ON repaired.t TO driller")
    with unchanged(MARIADB, theirs) as (_scratch, against):
        assert (against.shape.left_out, against.shape.uncertain) == ((), False)


def test_a_table_that_the_role_may_not_read_names_the_grant(
    tmp_path: Path, postgresql: PostgresqlServer, mariadb: MariadbServer
) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    if not postgresql.execute("SELECT 1 FROM pg_roles WHERE rolname = 'blind'"):
        postgresql.execute("CREATE ROLE blind LOGIN PASSWORD 'Zq7-hunter2'")
    postgresql.execute("GRANT CREATE ON DATABASE repaired TO blind")
    POSTGRESQL.run("CREATE TABLE t (id text)", "GRANT USAGE ON SCHEMA public TO blind", "GRANT INSERT ON t TO blind")
    with pytest.raises(SourceError) as refused, unchanged(POSTGRESQL, url.replace("postgres@", "blind:Zq7-hunter2@")):
        pass
    assert refused.value.hint.startswith("GRANT SELECT ON it")
    url = MARIADB.fresh(tmp_path)
    MARIADB.run("CREATE TABLE t (id VARCHAR(64))")
    mariadb.execute("DROP USER IF EXISTS blind")
    mariadb.execute("CREATE USER blind IDENTIFIED BY 'Zq7-hunter2'")
    mariadb.execute(r"GRANT ALL ON `dedupaudit\_drill\_%`.* TO blind")
    mariadb.execute("GRANT INSERT ON repaired.t TO blind")
    with pytest.raises(SourceError) as refused, unchanged(MARIADB, url.replace("root@", "blind:Zq7-hunter2@")):
        pass
    assert refused.value.hint == "GRANT SELECT ON `repaired`.`t` TO 'blind'@'%'"


def test_sqlites_triggers_that_need_other_tables_are_left_out(tmp_path: Path) -> None:
    url = SQLITE.fresh(tmp_path)
    SQLITE.run(
        "CREATE TABLE t (id TEXT NOT NULL, v INTEGER, p INTEGER REFERENCES parent (n))",
        "CREATE TABLE seen (id TEXT)",
        "CREATE TRIGGER look BEFORE INSERT ON t WHEN EXISTS (SELECT 1 FROM seen WHERE id = NEW.id)"
        " BEGIN SELECT RAISE(ABORT, 'seen'); END",
    )
    with unchanged(SQLITE, url) as (scratch, against):
        assert [what for what, _why in against.shape.left_out] == ["foreign key to parent", "trigger look"]
        assert against.shape.uncertain
        assert rows_after_a_retry(scratch, against) == 2


# ---- rows that are refused, and values that the user gives


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
def test_a_row_that_a_check_refuses_asks_for_a_value(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    text = database.text()
    columns = [f"id {text} NOT NULL", f"plan {text} NOT NULL", "CONSTRAINT known CHECK (plan IN ('free', 'paid'))"]
    database.run(database.table("t", columns))
    with pytest.raises(UsageError, match="known") as refused, unchanged(database, url):
        pass
    assert "--value COLUMN=TEXT" in refused.value.hint
    with unchanged(database, url, values={"plan": "paid"}) as (scratch, against):
        assert against.row(1, "d")["plan"] == "paid"
        assert send(scratch, against, against.row(1, "d")) == ["stored"]
    for values, words in [({"plam": "x"}, "no column plam"), ({"id": "x"}, "is of the key")]:
        with pytest.raises(UsageError, match=words), unchanged(database, url, values=values):
            pass


def test_a_value_that_its_column_cannot_have_is_wrong_usage(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run("CREATE TABLE t (id text NOT NULL, n int NOT NULL, j jsonb, b bool)")
    for values in ({"n": "many"}, {"j": "{"}, {"b": "perhaps"}):
        with pytest.raises(UsageError, match="cannot be"), unchanged(POSTGRESQL, url, values=values):
            pass


def test_a_key_that_is_too_short_or_the_databases_own_is_told_before_anything_runs(tmp_path: Path) -> None:
    url = POSTGRESQL.fresh(tmp_path)
    POSTGRESQL.run(
        "CREATE TABLE t (id varchar(3), v int)",
        "CREATE TABLE own (id bigint GENERATED ALWAYS AS IDENTITY, v int)",
        "CREATE TABLE short (id varchar(4), v int)",
    )
    with pytest.raises(UsageError, match="different values for its column id"), unchanged(POSTGRESQL, url):
        pass
    with pytest.raises(UsageError, match="the database itself makes its key id"), unchanged(POSTGRESQL, url, "own"):
        pass
    with unchanged(POSTGRESQL, url, "short") as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 2


MADE = {
    "postgresql": ("bigserial", "uuid DEFAULT gen_random_uuid()", "timestamptz DEFAULT now()"),
    "mariadb": ("BIGINT AUTO_INCREMENT", "UUID DEFAULT uuid()", "TIMESTAMP DEFAULT CURRENT_TIMESTAMP"),
    "sqlite": ("INTEGER", "TEXT DEFAULT (hex(randomblob(9)))", "TEXT DEFAULT CURRENT_TIMESTAMP"),
}


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
def test_a_guessed_key_that_the_database_makes_answers_nothing(database: Database, tmp_path: Path) -> None:
    """Sent, such a number keeps every retry out; but the sent ID is in another column, and no one is kept out there."""
    url = database.fresh(tmp_path)
    text = database.text()
    for number, kind in enumerate(MADE[database.name]):
        database.run(database.table(f"t{number}", [f"id {kind} PRIMARY KEY", f"sent {text} NOT NULL"]))
        with (
            pytest.raises(UsageError, match="the database itself makes its key id") as refused,
            copied(url, f"t{number}"),
        ):
            pass
        assert f'[tables.t{number}] key = ["COLUMN"]' in refused.value.hint
        # Whoever says that it is sent is believed.
        with copied(url, f"t{number}", key=("id",)) as (scratch, against):
            assert rows_after_a_retry(scratch, against) == 1
    default = "DEFAULT 'now()'" if database is not POSTGRESQL else "DEFAULT 'now()'::varchar(9)"
    database.run(database.table("fixed", [f"id {text} {default} PRIMARY KEY", "v INTEGER"]))
    with copied(url, "fixed") as (scratch, against):
        assert rows_after_a_retry(scratch, against) == 1


ALL_TYPES = {
    "postgresql": "a smallint, b int, c bigint, d numeric(5,2), e numeric, f real, g double precision, h text,"
    " i varchar(3), j char(4), k bool, l date, m time, n timestamp, o timestamptz, p interval, q json, r jsonb, s uuid,"
    ' u bytea, v inet, w cidr, x int[], y bit(3), z bit varying(4), aa mood, ab other.short, ac citext, ad "char"',
    "mariadb": "a TINYINT, b SMALLINT UNSIGNED, c INT, d BIGINT UNSIGNED, e DECIMAL(5,2), f FLOAT, g DOUBLE, h TEXT,"
    " i VARCHAR(3), j CHAR(4), k BOOL, l DATE, m TIME, n DATETIME(3), o TIMESTAMP, p YEAR, q JSON, r UUID, s BIT(3),"
    " u VARBINARY(9), v INET6, w ENUM('it''s', 'b'), x SET('a', 'b'), y BINARY(4), z LONGTEXT, aa BLOB, ab BIT(12)",
    "sqlite": "a INTEGER, b INT, c NUMERIC, d DECIMAL(5,2), e REAL, f DOUBLE, g TEXT, h VARCHAR(3), i CHAR(4), j BLOB,"
    " k BOOLEAN, l DATE, m DATETIME, n TIMESTAMP, o JSON, p UUID, q, r CLOB",
}


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
def test_every_usual_type_gets_a_value(database: Database, tmp_path: Path) -> None:
    url = database.fresh(tmp_path)
    if database is POSTGRESQL:
        database.run(
            "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public",
            "CREATE TYPE mood AS ENUM ('it''s', 'b')",
            "CREATE DOMAIN other.short AS varchar(5) NOT NULL CHECK (length(value) BETWEEN 2 AND 5)",
        )
    columns = [
        one.strip() for one in ALL_TYPES[database.name].replace("5,2", "5;2").replace("', 'b", "'; 'b").split(",")
    ]
    declared = [f"{one.replace(';', ',')} NOT NULL" for one in columns]
    database.run(database.table("t", [f"id {database.text()} NOT NULL PRIMARY KEY", *declared]))
    with unchanged(database, url) as (scratch, against):
        rows = [against.row(1, "d"), against.row(2, "d", 1), against.row(1, "d")]
        assert [said == "stored" for said in send(scratch, against, *rows)] == [True, True, False]
        assert set(rows[0]) == set(against.shape.columns)


# ---- the look at bodies, without a database


@pytest.mark.parametrize(
    ("language", "body"),
    [
        (
            "postgresql",
            "BEGIN IF EXISTS (SELECT 1 FROM t x WHERE x.id = NEW.id FOR UPDATE) THEN RAISE 'no'; END IF; END",
        ),
        ("postgresql", "BEGIN NEW.low := lower(NEW.id) || $q$ INSERT $q$ || E'\\' DELETE'; RETURN NEW; END"),
        ("postgresql", "BEGIN PERFORM 1 FROM t WHERE id = NEW.id; IF FOUND THEN RETURN NULL; END IF; RETURN NEW; END"),
        ("mysql", "SET NEW.id = LOWER(TRIM(NEW.id)), NEW.v = IFNULL(NEW.v, 1)"),
        ("mysql", "BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM t WHERE id = NEW.id; # CALL p()\n END"),
    ],
)
def test_bodies_that_only_look_at_their_own_table(language: Language, body: str) -> None:
    assert why_not(body, language, frozenset({"public", "app"})) is None


@pytest.mark.parametrize(
    ("language", "body"),
    [
        ("postgresql", "SELECT 'a' 'b', evil ( 1 )"),
        ("postgresql", "SELECT pg_catalog.nextval('s')"),
        ("postgresql", 'SELECT "lower"(id)'),
        ("postgresql", "SELECT 'it ends \\', evil()"),
        ("postgresql", "SELECT 1 -- \n; INSERT INTO t VALUES (1)"),
        ("postgresql", 'SELECT 1 FROM "PUBLIC".t'),
        ("postgresql", "SELECT 'not closed"),
        ("mysql", "SET @@global.read_only = 0"),
        ("mysql", "SELECT 1 INTO OUTFILE '/tmp/x'"),
        ("mysql", "SELECT 1 FROM `app` . `t`"),
        ("mysql", "/*M!100100 SELECT f() */"),
        ("mysql", "SELECT \"a\" , sys_exec ('x')"),
        ("mysql", "SELECT NEXT_VAL(s)"),
        # Where the servers' own readers begin and end comments, texts and names.
        ("mysql", "SET NEW.v = 1--evil()"),
        ("mysql", "SET NEW.v = 1 --\u00a0+ evil()"),
        ("mysql", "SET NEW.v = 1 --\x01'\n, NEW.id = evil() --\x01'"),
        ("mysql", 'SET NEW.v = "a\\", evil(), "b"'),
        ("mysql", "SET NEW.v = 1evil()"),
        ("postgresql", "SELECT 1 -- \r, evil()"),
        ("postgresql", "SELECT lower\u00a0(id)"),
        ("postgresql", "SELECT $1$ , evil(), $1$"),
    ],
)
def test_bodies_of_which_it_is_not_certain(language: Language, body: str) -> None:
    assert why_not(body, language, frozenset({"public", "app"})) is not None


def test_what_a_body_inserts_into_is_known_only_where_it_does_nothing_else() -> None:
    assert inserts_into("INSERT INTO a.log (id) VALUES (NEW.id); INSERT INTO b SELECT 1", "mysql") == [
        ("a", "log"),
        ("b",),
    ]
    assert inserts_into("BEGIN RETURN NEW; END", "postgresql") == []
    for body in (
        "INSERT INTO log VALUES (f())",
        "INSERT INTO log VALUES (1); UPDATE t SET v = 1",
        "SIGNAL SQLSTATE '1'",
    ):
        assert inserts_into(body, "mysql") is None
