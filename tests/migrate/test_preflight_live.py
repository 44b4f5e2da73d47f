"""What preflight says of real tables: each trouble that a server of the tests can have is made, looked at and told."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from dedupaudit.config import TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.databases import dialect_of
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight import concerns, open_transactions
from dedupaudit.migrate.preflight.base import Asked
from dedupaudit.progress import SILENT
from dedupaudit.repair.opening import database_of
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.resolve import resolve
from tests.migrate.preflight.looking import is_told, levels, looked_at
from tests.repair.databases import POSTGRESQL, SQLITE, Database
from tests.repair.repairing import Repairing
from tests.servers.fixtures import shared_postgresql

PLAIN = "CREATE TABLE t (rid bigint PRIMARY KEY, id varchar(40) NOT NULL, device text, at timestamptz)"
LOOSE = PLAIN.replace("id varchar(40)", "id varchar(40) COLLATE insensitive")
NULLABLE = PLAIN.replace(" NOT NULL", "")
A, B = "INSERT INTO t (rid, id) VALUES (1, 'a')", "INSERT INTO t (rid, id) VALUES (2, 'b')"


@pytest.mark.parametrize("statements", [(PLAIN,), (PLAIN, A, B)], ids=["empty", "rows"])
@pytest.mark.parametrize("strategy", ["small", "guarded"])
def test_a_healthy_table_is_nothing_to_say_on_postgresql(
    statements: tuple[str, ...], strategy: str, tmp_path: Path
) -> None:
    assert looked_at(POSTGRESQL, tmp_path, statements, strategy=strategy) == ()


POSTGRESQL_TROUBLES: dict[str, tuple[tuple[str, ...], dict[str, Any], str, str, str]] = {
    "conflicting rows": (
        (PLAIN, A, "INSERT INTO t VALUES (2, 'a', 'phone'), (3, 'a', 'tablet')"),
        {},
        "duplicates_left",
        "refusal",
        "a",
    ),
    "identical rows": ((PLAIN, A, A.replace("1,", "2,")), {}, "duplicates_left", "note", "1 row of 1 key"),
    "null, forbidden": (
        (NULLABLE, A, "INSERT INTO t VALUES (2)"),
        {"not_null": True},
        "null_keys",
        "refusal",
        "1 row of t has NULL",
    ),
    "null, allowed": ((NULLABLE, A, "INSERT INTO t VALUES (2)"), {}, "null_keys", "note", "1 row of t has NULL"),
    "blank twice": (
        (PLAIN, "INSERT INTO t VALUES (1, ' '), (2, ' ')"),
        {},
        "blank_keys",
        "refusal",
        "2 rows of t have a blank key",
    ),
    "blank once": ((PLAIN, "INSERT INTO t VALUES (1, ' ')"), {}, "blank_keys", "note", "1 row of t has a blank key"),
    "too long": (
        (
            PLAIN.replace("varchar(40)", "text"),
            "INSERT INTO t SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 200) i",
        ),
        {},
        "key_length",
        "refusal",
        "6,400 bytes",
    ),
    "name taken": (
        (PLAIN, "CREATE INDEX taken ON t (device)"),
        {"constraint": "taken"},
        "name_taken",
        "refusal",
        "by index taken",
    ),
    "invalid index": (
        (
            PLAIN,
            "CREATE INDEX old ON t (device)",
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'old'::regclass",
        ),
        {},
        "invalid_leftovers",
        "warning",
        "old",
    ),
    "redundant index": ((PLAIN, "CREATE INDEX old ON t (id)"), {}, "redundant_index", "note", "old"),
    "partitioned without its key": (
        (
            "CREATE TABLE t (rid bigint, id text NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)",
            "CREATE TABLE t1 PARTITION OF t DEFAULT",
        ),
        {},
        "partition_key",
        "refusal",
        "lacks at",
    ),
    "partitioned by an expression": (
        (
            "CREATE TABLE t (rid bigint, id text NOT NULL) PARTITION BY HASH (lower(id))",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        ),
        {},
        "partition_key",
        "refusal",
        "lower(id)",
    ),
    "partition": (
        (
            "CREATE TABLE whole (rid bigint PRIMARY KEY, id text NOT NULL) PARTITION BY RANGE (rid)",
            "CREATE TABLE t PARTITION OF whole DEFAULT",
        ),
        {},
        "partition",
        "refusal",
        "t is a partition",
    ),
    "a child by inheritance": (
        ("CREATE TABLE above (rid bigint, id text NOT NULL)", "CREATE TABLE t (PRIMARY KEY (rid)) INHERITS (above)"),
        {},
        "inherited",
        "refusal",
        "t shares rows by inheritance",
    ),
    "a parent by inheritance": (
        (PLAIN, "CREATE TABLE below () INHERITS (t)"),
        {},
        "inherited",
        "refusal",
        "t shares rows by inheritance",
    ),
    "cascade": (
        (
            "CREATE TABLE devices (name text PRIMARY KEY)",
            PLAIN,
            "ALTER TABLE t ADD CONSTRAINT of_device FOREIGN KEY (device) REFERENCES devices ON DELETE CASCADE",
        ),
        {"strategy": "guarded"},
        "foreign_keys",
        "note",
        "of_device (ON DELETE CASCADE)",
    ),
    "trigger": (
        (
            PLAIN,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER rewrites BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        ),
        {"strategy": "guarded"},
        "triggers",
        "note",
        "rewrites",
    ),
    "publication": (
        (PLAIN, "DROP PUBLICATION IF EXISTS everything", "CREATE PUBLICATION everything FOR TABLE t"),
        {},
        "publication",
        "note",
        "replicated logically",
    ),
}


@pytest.mark.parametrize("trouble", POSTGRESQL_TROUBLES)
def test_a_trouble_of_postgresql_is_told(trouble: str, tmp_path: Path) -> None:
    statements, request, check, level, words = POSTGRESQL_TROUBLES[trouble]
    found = looked_at(POSTGRESQL, tmp_path, statements, **request)
    is_told(found, check, level, words)


@pytest.mark.parametrize("database", [POSTGRESQL, SQLITE], ids=lambda database: str(database.name))
def test_keys_that_only_the_collation_joins_are_left_to_a_person(database: Database, tmp_path: Path) -> None:
    columns = ["rid BIGINT PRIMARY KEY", f"id {database.text('insensitive')} NOT NULL", "device BIGINT"]
    rows = "INSERT INTO t VALUES (1, 'a', 1), (2, 'A', 1), (3, 'b', 1), (4, 'b', 1)"
    found = looked_at(database, tmp_path, (database.table("t", columns), rows))
    assert levels(found)["collation_pairs"] == "warning"
    (pair,) = [concern.message for concern in found if concern.check == "collation_pairs"]
    assert pair.endswith((": a and A", ": A and a"))
    assert [concern.level for concern in found if concern.check == "duplicates_left"] == ["refusal", "note"]


def test_a_column_that_cannot_be_compared_is_told_by_the_facts_alone(tmp_path: Path) -> None:
    found = by_facts_alone(tmp_path, (PLAIN.replace("varchar(40)", "json"),))
    assert levels(found) == {"unindexable": "refusal"}


def by_facts_alone(folder: Path, statements: tuple[str, ...]) -> tuple[Concern, ...]:
    """Return what preflight says of a table of PostgreSQL that nobody has looked for duplicates in."""
    repairing = Repairing(POSTGRESQL, folder, {"t": TableSettings(key=("id",))})
    POSTGRESQL.run(*statements)
    database = database_of(repairing.settings)
    with closing(open_source(database, Interrupt(), SILENT)) as source:
        table = resolve(source, "t", repairing.settings)
    facts = dialect_of(database).read_facts(database, table, "t_id_key", Interrupt())
    return concerns(facts, Asked("t", "public.t", ("id",), "t_id_key", not_null=False, strategy="guarded"))


def test_a_transaction_that_stays_open_is_told_with_who_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A minute is too long for a test; how long is long is tested elsewhere.
    monkeypatch.setattr(open_transactions, "LONG", 0.0)
    with closing(psycopg2.connect(POSTGRESQL.fresh(tmp_path), application_name="nightly report")) as other:
        other.set_session(isolation_level="REPEATABLE READ")
        with other.cursor() as cursor:
            cursor.execute("SELECT txid_current()")
            found = by_facts_alone(tmp_path, (PLAIN,))
    told = [concern.message for concern in found if concern.check == "open_transactions"]
    assert any("nightly report" in message for message in told)


def test_a_role_that_may_only_read_is_refused_with_the_grants(tmp_path: Path) -> None:
    server = shared_postgresql()
    server.execute("DROP ROLE IF EXISTS preflight_reader; CREATE ROLE preflight_reader LOGIN")
    statements = (
        PLAIN,
        "GRANT USAGE ON SCHEMA public TO preflight_reader; GRANT SELECT ON t TO preflight_reader",
    )
    url = server.url(user="preflight_reader", database="repaired")
    try:
        found = looked_at(POSTGRESQL, tmp_path, statements, url)
        assert levels(found)["permissions"] == "refusal"
        (hint,) = [concern.hint for concern in found if concern.check == "permissions"]
        assert "preflight_reader" in hint
    finally:
        POSTGRESQL.run("DROP OWNED BY preflight_reader", "DROP ROLE preflight_reader")


SQLITE_TROUBLES: dict[str, tuple[tuple[str, ...], dict[str, Any], str, str, str]] = {
    "conflicting rows": (
        (PLAIN, A, "INSERT INTO t VALUES (2, 'a', 'phone', NULL), (3, 'a', 'tablet', NULL)"),
        {},
        "duplicates_left",
        "refusal",
        ": a",
    ),
    "null, forbidden": (
        (NULLABLE, A, "INSERT INTO t (rid) VALUES (2)"),
        {"not_null": True},
        "null_keys",
        "refusal",
        "1 row of t has NULL",
    ),
    "blank twice": (
        (PLAIN, "INSERT INTO t (rid, id) VALUES (1, ' '), (2, ' ')"),
        {},
        "blank_keys",
        "refusal",
        "2 rows of t have a blank key",
    ),
    "name taken": (
        (PLAIN, "CREATE INDEX taken ON t (device)"),
        {"constraint": "taken"},
        "name_taken",
        "refusal",
        "by index taken",
    ),
    "redundant index": ((PLAIN, "CREATE INDEX old ON t (id)"), {}, "redundant_index", "note", "old"),
}


@pytest.mark.parametrize("trouble", SQLITE_TROUBLES)
def test_a_trouble_of_sqlite_is_told(trouble: str, tmp_path: Path) -> None:
    statements, request, check, level, words = SQLITE_TROUBLES[trouble]
    found = looked_at(SQLITE, tmp_path, statements, **request)
    is_told(found, check, level, words)
