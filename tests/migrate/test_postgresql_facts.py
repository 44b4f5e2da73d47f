"""What PostgreSQL tells of a table before a migration."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Self

import pytest

from dedupaudit.config import DatabaseSettings
from dedupaudit.errors import Refused, SourceError, UsageError
from dedupaudit.migrate.databases import postgresql_pooler
from dedupaudit.migrate.databases.postgresql_pooler import pooler_between
from dedupaudit.migrate.facts import ForeignKey, Partition, TableTrigger
from dedupaudit.urls import parse_database_url
from tests.migrate.postgresql_workman import Workman, look_at, sessions
from tests.servers.postgresql import PostgresqlServer

T = "CREATE TABLE t (n serial PRIMARY KEY, id varchar(255), x text)"
ROLE = "DO $$ BEGIN CREATE ROLE nobody LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


def test_a_plain_table() -> None:
    work = Workman(T, "INSERT INTO t (id) VALUES ('a'), ('bb')")
    _table, facts = work.look()
    assert (facts.product, facts.version[0] >= 13, facts.table_kind) == ("postgresql", True, "table")
    assert facts.version_text.startswith(f"PostgreSQL {facts.version[0]}.")
    (key,) = facts.key
    assert (key.name, key.declared, key.nullable, key.most, key.longest) == (
        "id",
        "character varying(255)",
        True,
        1020,
        None,
    )
    assert (facts.key_limit, facts.protecting, facts.nulls_forbidden, facts.lookup) == (2704, None, False, None)
    assert (facts.missing, facts.read_only, facts.hides_rows, facts.pooler) == ((), "", False, None)
    assert (facts.replicas, facts.lag, facts.published, facts.prepared_transactions) == (0, None, False, ())
    assert (facts.leftovers, facts.invalid_indexes, facts.redundant_indexes, facts.name_taken_by) == ((), (), (), None)
    assert facts.table_bytes is not None
    assert facts.table_bytes >= 8192


@pytest.mark.parametrize(
    ("kind", "most", "measured", "indexable"),
    [
        ("text", None, True, True), ("varchar(700)", 2800, True, True), ("varchar(600)", 2400, False, True),
        ("uuid", 16, False, True), ("bytea", None, True, True), ("json", None, False, False), ("xid", 4, False, False),
        ("other.short", 40, False, True), ("numeric", None, True, True), ("point", 16, False, False),
    ],
)  # fmt: skip
def test_a_key_is_measured_where_its_type_has_no_limit(
    kind: str, most: int | None, *, measured: bool, indexable: bool
) -> None:
    work = Workman("CREATE DOMAIN other.short AS varchar(10)", f"CREATE TABLE t (id {kind})")
    (key,) = work.look()[1].key
    assert (key.most, key.longest, key.indexable) == (most, 0 if measured else None, indexable)


def test_a_keys_length_is_that_of_the_index_entry() -> None:
    long = "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 100) g)"
    work = Workman("CREATE TABLE t (id text)", f"INSERT INTO t VALUES ('short'), ({long})")
    longest = work.look()[1].key[0].longest
    assert longest is not None
    assert longest > 2704
    with work.migration() as working, pytest.raises(Exception, match="exceeds btree"):
        working.do("build")
    # What compresses well fits, whatever its length is.
    work = Workman("CREATE TABLE t (id text)", "INSERT INTO t VALUES (repeat('x', 90000))")
    longest = work.look()[1].key[0].longest
    assert longest is not None
    assert longest < 2704
    with work.migration() as working:
        working.do("build")


def test_indexes_that_are_there() -> None:
    work = Workman(
        T,
        "CREATE INDEX serves ON t (id, x)", "CREATE INDEX partial ON t (id) WHERE x IS NULL",
        "CREATE INDEX hashed ON t USING hash (id)", "CREATE INDEX same ON t (id)", "CREATE UNIQUE INDEX again ON t (n)",
        'CREATE INDEX finer ON t (id COLLATE "C")',
        "INSERT INTO t (x) VALUES ('a'), ('a')",
    )  # fmt: skip
    with sessions("") as (one,):
        assert one.fails("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (x)") == "23505"
    _table, facts = work.look()
    assert facts.lookup in ("same", "serves")
    assert facts.redundant_indexes == ("same", "again")
    assert facts.invalid_indexes == ("broken",)
    work.run("CREATE UNIQUE INDEX wide ON t (id, n)")
    assert work.look()[1].protecting is None
    work.run("ALTER TABLE t ADD CONSTRAINT kept UNIQUE (id)")
    assert (work.look()[1].protecting, work.look()[1].protecting_primary) == ("kept", False)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE wanted ()", "table wanted"),
        ("CREATE INDEX wanted ON t (x)", "index wanted on t"),
        ("CREATE SEQUENCE wanted", "sequence wanted"),
        ("CREATE UNIQUE INDEX wanted ON t (x)", "index wanted on t"),
        ("CREATE UNIQUE INDEX wanted ON t (id) WHERE x IS NULL", "index wanted on t"),
        ("ALTER TABLE t ADD CONSTRAINT wanted CHECK (TRUE)", "constraint wanted on t"),
        ("CREATE TABLE other.wanted ()", None),
        ("CREATE UNIQUE INDEX wanted ON t (id)", None),
    ],
)
def test_a_name_that_is_taken(made: str, said: str | None) -> None:
    assert Workman(T, made).look(constraint="wanted")[1].name_taken_by == said


def test_a_name_that_would_be_cut_is_refused() -> None:
    with pytest.raises(UsageError, match="longer than 63 bytes"):
        Workman(T).look(constraint="ü" * 32)


def test_what_the_tool_left_is_told_apart_and_changes_nothing_else() -> None:
    work = Workman(T, "INSERT INTO t (id) VALUES ('a'), ('a')")
    _table, before = work.look()
    with work.migration(not_null=("id",)) as working:
        working.do("lookup", "guard")
        work.run(*working.steps["not_null"].sql[1:4])
        with pytest.raises(Exception, match="could not create"):
            working.do("build")
        steps = working.steps
    _table, after = work.look()
    kinds = ["lookup index", "invalid index", "guard table", *["guard function"] * 3, *["guard trigger"] * 5, "check"]
    assert sorted(one.kind for one in after.leftovers) == sorted(kinds)
    known = {
        "lookup",
        "invalid_indexes",
        "redundant_indexes",
        "protecting",
        "triggers",
        "name_taken_by",
        "settings",
        "key",
    }
    assert [name for name in known if getattr(before, name) != getattr(after, name)] == []
    work.run("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)")
    with work.migration(not_null=("id",)) as working:
        assert {name: step.sql for name, step in working.steps.items()} == {
            name: step.sql for name, step in steps.items()
        }
        working.do("build")
        # Built and not finished: it is a part of the work, and the plan stays what it was.
        assert work.look()[1].protecting is None
        working.finish()
    assert work.look()[1].protecting == "t_id_key"


def test_surroundings() -> None:
    work = Workman(
        "CREATE TABLE up (u int PRIMARY KEY)",
        "CREATE TABLE t (n serial PRIMARY KEY, id text, u int REFERENCES up ON DELETE CASCADE)",
        "CREATE TABLE other.down (tn int REFERENCES t ON UPDATE SET NULL)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER a BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER b AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION f()",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER b",
        "CREATE TRIGGER c AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE t DISABLE TRIGGER c",
    )  # fmt: skip
    with sessions("BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN") as (snapshot, plain):
        snapshot.ask("SET application_name = E'old\\nreader'; SELECT 1")
        plain.ask("SELECT 1")
        _table, facts = work.look()
        for seen in (facts.oldest_transaction, facts.oldest_snapshot):
            assert seen is not None
            assert seen.who.startswith(
                f"pid {snapshot.pid} (application old?reader, role postgres, idle in transaction"
            )
            assert seen.seconds > 0
    assert facts.foreign_keys == (
        ForeignKey("down_tn_fkey", "other.down", ("tn",), False, "NO ACTION", "SET NULL"),
        ForeignKey("t_u_fkey", "t", ("u",), True, "CASCADE", "NO ACTION"),
    )
    assert facts.triggers == (
        TableTrigger("a", "BEFORE", ("INSERT", "UPDATE")), TableTrigger("b", "AFTER", ("TRUNCATE",), replica=True),
    )  # fmt: skip


def test_publications_are_seen() -> None:
    work = Workman(T)
    work.run("CREATE PUBLICATION p FOR TABLE t")
    try:
        assert work.look()[1].published
    finally:
        work.run("DROP PUBLICATION p")


def test_partitions_of_all_levels() -> None:
    work = Workman(
        "CREATE TABLE t (id int, d int) PARTITION BY RANGE (d)",
        "CREATE TABLE a PARTITION OF t FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE b PARTITION OF t FOR VALUES FROM (9) TO (99) PARTITION BY LIST ((id % 3))",
        "CREATE TABLE b0 PARTITION OF b DEFAULT",
    )
    _table, facts = work.look()
    assert facts.table_kind == "partitioned"
    assert facts.partitions == (
        Partition("a", '"public"."a"', '"public"."t"'), Partition("b0", '"public"."b0"', '"public"."b"'),
    )  # fmt: skip
    assert facts.partition_key == ("LIST (((id % 3)))", "d")
    work.name = "b0"
    assert (work.look()[1].table_kind, work.look()[1].parent) == ("partition", "b")


def test_inheritance_and_foreign_partitions() -> None:
    work = Workman(T, "CREATE TABLE heir () INHERITS (t)")
    assert work.look()[1].table_kind == "inherited"
    work.name = "heir"
    assert (work.look()[1].table_kind, work.look()[1].parent) == ("inherited", "t")
    work = Workman(
        "CREATE TABLE t (id int) PARTITION BY LIST (id)",
        "CREATE EXTENSION file_fdw SCHEMA other; CREATE SERVER s FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE away PARTITION OF t DEFAULT SERVER s OPTIONS (filename '/dev/null')",
    )
    with pytest.raises(Refused, match="foreign table"):
        work.look()


def test_what_a_role_lacks_is_what_helps_it() -> None:
    work = Workman(T, ROLE, "INSERT INTO t (id) VALUES ('a')")
    work.run("GRANT SELECT ON t TO nobody; GRANT USAGE ON SCHEMA public TO nobody")
    _table, facts = work.look(role="nobody")
    assert facts.missing == (
        "GRANT postgres TO nobody",
        "GRANT USAGE, CREATE ON SCHEMA public TO nobody",
        "GRANT CREATE ON DATABASE repaired TO nobody",
    )
    assert (facts.replicas, facts.oldest_snapshot) == (None, None)
    work.run("ALTER TABLE t OWNER TO nobody", *(one for one in facts.missing if "postgres" not in one))
    assert work.look(role="nobody")[1].missing == ()
    with work.migration(role="nobody") as working:
        working.finish()
    work.run(
        "REVOKE ALL ON DATABASE repaired FROM nobody; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    with pytest.raises(SourceError, match="row-level security"):
        work.look(role="nobody")
    assert not work.look()[1].hides_rows


def test_who_takes_no_writes_is_said() -> None:
    work = Workman(T, ROLE, "GRANT USAGE ON SCHEMA public TO nobody; GRANT SELECT ON t TO nobody")
    work.run("ALTER ROLE nobody SET default_transaction_read_only = on")
    try:
        assert "default_transaction_read_only" in work.look(role="nobody")[1].read_only
    finally:
        work.run("ALTER ROLE nobody RESET default_transaction_read_only")


def test_prepared_transactions_are_told() -> None:
    with PostgresqlServer(settings={"max_prepared_transactions": "2"}) as server:
        server.create_database("prepared")
        server.execute("CREATE TABLE t (id text)", database="prepared")
        server.execute("BEGIN; INSERT INTO t VALUES ('a'); PREPARE TRANSACTION 'left\nover'", database="prepared")
        url = server.url(database="prepared")
        _table, facts = look_at(url, url)
        assert len(facts.prepared_transactions) == 1
        assert facts.prepared_transactions[0].startswith("left\\nover of postgres, ")


class Pooled:
    """A session behind a pooler, as far as the look goes: its login's process number, and those of its transactions."""

    def __init__(self, login: int, *pids: int) -> None:
        self.info = SimpleNamespace(backend_pid=login)
        self._pids = iter(pids)
        self.autocommit = False

    def cursor(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def execute(self, _statement: str) -> None:
        pass

    def fetchone(self) -> tuple[int]:
        return (next(self._pids),)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("first", "second", "hands_out"),
    [
        ((1, 1), (2, 2), False),
        ((901, 5, 5), (902, 6), False),
        ((901, 5), (902, 5), True),
        ((901, 5, 7), (902, 6), True),
    ],
    ids=["the server itself", "a session each", "one process for both", "another one each time"],
)
def test_a_pooler_that_hands_out_transactions_is_known(
    first: tuple[int, ...], second: tuple[int, ...], *, hands_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No pooler can be had here: what two sessions see of one is told by hand.
    opening = iter([Pooled(*first), Pooled(*second)])
    monkeypatch.setattr(postgresql_pooler, "connect", lambda _parameters, _place: next(opening))
    said = pooler_between(DatabaseSettings("db", parse_database_url("postgresql://u@localhost/x"), None))
    assert (said is not None) == hands_out


def test_behind_no_pooler_nothing_is_said(postgresql: PostgresqlServer) -> None:
    assert pooler_between(DatabaseSettings("db", parse_database_url(postgresql.url()), None)) is None
