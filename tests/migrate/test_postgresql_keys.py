"""PostgreSQL keys of every kind, guarded and made unique: types, collations, names, partitions."""

from __future__ import annotations

import pytest

from tests.migrate.postgresql_workman import UNIQUE, Workman, sessions

UNIQUES = "FROM pg_constraint WHERE contype = 'u' AND connamespace::regnamespace::text IN ('public', 'other')"
LOCALE = "provider = icu, locale = 'und-u-ks-level2', deterministic = false"
TYPES = {
    "text": ("text", "a", "A", False),
    "varchar": ("varchar(40)", "a", "a ", False),
    "char": ("char(40)", "a", "a ", True),
    "citext": ("other.citext", "a", "A", True),
    "nondeterministic": ('text COLLATE "other"."ci"', "a", "A", True),
    "domain": ("other.code", "a", "b", False),
    "domain over citext": ("other.loose", "a", "A", True),
    "uuid": ("uuid", "00000000-0000-0000-0000-00000000000a", "{0000000000000000000000000000000A}", True),
    "numeric": ("numeric", "1", "1.0", True),
    "float": ("float8", "0", "-0", True),
    "bytea": ("bytea", r"\x00", r"\x0000", False),
    "timestamptz": ("timestamptz", "2026-01-01 00:00+00", "2026-01-01 01:00+01", True),
    "interval": ("interval", "1 day", "24 hours", True),
    "array": ("text[]", "{a,b}", '{"a","b"}', True),
    "enum": ("other.mood", "sad", "happy", False),
    "range": ("int4range", "[1,3)", "[1,2]", True),
    "jsonb": ("jsonb", '{"a": 1, "b": 2}', '{"b":2,"a":1.0}', True),
    "composite": ("other.pair", "(1,a)", '(1,"a")', True),
}
MADE = (
    "CREATE EXTENSION IF NOT EXISTS citext SCHEMA other",
    f"CREATE COLLATION other.ci ({LOCALE})",
    "CREATE DOMAIN other.code AS text CHECK (VALUE <> '')",
    "CREATE DOMAIN other.loose AS other.citext NOT NULL",
    "CREATE TYPE other.mood AS ENUM ('sad', 'happy')",
    "CREATE TYPE other.pair AS (n int, w text)",
)


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
@pytest.mark.parametrize("name", TYPES)
def test_the_guard_goes_by_the_equality_of_the_finished_index(name: str, level: str) -> None:
    kind, first, second, equal = TYPES[name]
    work = Workman(*MADE, f"CREATE TABLE t (n serial PRIMARY KEY, id {kind})", f"INSERT INTO t (id) VALUES ('{first}')")
    insert, update = f"INSERT INTO t (id) VALUES ('{second}')", f"UPDATE t SET id = '{second}'"
    begin = f"SET default_transaction_isolation = '{level}'"
    with work.guarded() as working, sessions(begin) as (one,):
        # Against a row older than the guard, against an entry, and by a change that the type may call none.
        seen = [
            one.fails(insert),
            one.fails(update),
            one.fails(update),
            one.fails(f"INSERT INTO t (id) VALUES ('{first}')"),
        ]
        one.ask(f"DELETE FROM t; INSERT INTO t (id) VALUES ('{first}')")
        working.finish()
        after = [
            one.fails(insert),
            one.fails(update),
            one.fails(update),
            one.fails(f"INSERT INTO t (id) VALUES ('{first}')"),
        ]
    # Different keys: two rows are to become one key by the UPDATEs, and so the first key is free for good.
    assert seen == after
    assert seen[0] == (UNIQUE if equal else "")
    assert work.traces() == []


NAMES = [
    'a "quoted" name',
    "new\nline",
    "$guard$",
    "größe ☃",
    "n" * 63,
    "select",
    "{table}",
    "k1",
    "one",
    "fresh",
    "refused",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names_whatever_is_in_them(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    work = Workman(f"CREATE TABLE {quoted} (n serial PRIMARY KEY, {quoted} text)", key=(name,), name=name)
    insert = f"INSERT INTO {quoted} ({quoted}) VALUES"
    work.run(f"{insert} ('old')")
    with work.migration(not_null=(name,)) as working, sessions("") as (one,):
        working.do("lookup", "guard")
        assert working.migration.standing().guard == "complete"
        assert one.fails(f"{insert} ('old')") == UNIQUE
        assert one.last is not None
        assert one.last.diag.constraint_name == working.target.constraint
        assert one.fails(f"{insert} ('new')") == ""
        assert one.fails(f"{insert} ('new'), ('newer')") == UNIQUE
        assert one.fails(f"UPDATE {quoted} SET {quoted} = 'new'") == UNIQUE
        working.finish()
        assert working.migration.standing().nulls_forbidden
        assert one.fails(f"{insert} ('new')") == UNIQUE
        assert one.last.diag.constraint_name == working.target.constraint
        # The name is the one that PostgreSQL would have given.
        one.ask(f"CREATE TABLE other.{quoted} ({quoted} text UNIQUE)")
    assert work.database.ask(f"SELECT count(DISTINCT conname) {UNIQUES}") == [(1,)]
    assert work.traces() == []


def test_composite_keys_are_compared_as_a_whole() -> None:
    work = Workman(
        "CREATE TABLE t (n serial PRIMARY KEY, a text, b int)", "INSERT INTO t (a, b) VALUES ('x', 1)", key=("b", "a")
    )
    with work.guarded() as working, sessions("") as (one,):
        assert one.fails("INSERT INTO t (a, b) VALUES ('x', 2), ('y', 1), ('x', NULL), ('x', NULL), (NULL, 1)") == ""
        assert one.fails("INSERT INTO t (a, b) VALUES ('x', 2)") == UNIQUE
        assert one.fails("UPDATE t SET b = 1 WHERE a = 'x' AND b = 2") == UNIQUE
        assert one.fails("UPDATE t SET b = 1 WHERE a = 'x' AND b IS NULL") == UNIQUE
        working.finish()
        assert one.fails("INSERT INTO t (a, b) VALUES ('x', 2)") == UNIQUE


def test_a_generated_key_is_guarded() -> None:
    work = Workman(
        "CREATE TABLE t (n serial PRIMARY KEY, raw text, id text GENERATED ALWAYS AS (lower(raw)) STORED)",
        "INSERT INTO t (raw) VALUES ('Old')",
    )
    with work.guarded() as working, sessions("") as (one,):
        assert one.fails("INSERT INTO t (raw) VALUES ('OLD')") == UNIQUE
        assert one.fails("INSERT INTO t (raw) VALUES ('New'), ('x')") == ""
        assert one.fails("UPDATE t SET raw = 'NEW' WHERE raw = 'x'") == UNIQUE
        assert one.fails("UPDATE t SET raw = 'NEW' WHERE raw = 'New'") == ""
        working.finish()


# ---- partitions

PARTS = (
    "CREATE TABLE t (n serial, id text, d int NOT NULL, PRIMARY KEY (n, d)) PARTITION BY RANGE (d)",
    "CREATE TABLE t0 PARTITION OF t FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE other.mid PARTITION OF t FOR VALUES FROM (10) TO (100) PARTITION BY LIST (d)",
    "CREATE TABLE deep PARTITION OF other.mid FOR VALUES IN (10, 11) PARTITION BY HASH (n)",
    "CREATE TABLE deep0 PARTITION OF deep FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE deep1 PARTITION OF deep FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "CREATE TABLE rest PARTITION OF other.mid DEFAULT",
    "INSERT INTO t (id, d) SELECT 'k' || g, g FROM generate_series(0, 50) g",
)
PARTITIONED_KEY = ("id", "d", "n")


def partitioned(*more: str) -> Workman:
    return Workman(*PARTS, *more, key=PARTITIONED_KEY, strategy="partitioned")


def same(rest: str = "") -> str:
    return f"INSERT INTO {{}} (id, d, n) SELECT id, d, n FROM t WHERE id = '{{}}'{rest}"


def unkeyed(*parts: str) -> tuple[str, ...]:
    """Return statements that take a partitioned table's primary key away, which would refuse before the guard."""
    return ("ALTER TABLE t DROP CONSTRAINT t_pkey", *parts)


def test_a_partitioned_table_of_three_levels_is_migrated_leaf_by_leaf() -> None:
    work = partitioned(*unkeyed())
    with work.guarded() as working, sessions("", "SET session_replication_role = replica") as (one, applied):
        for key, leaf in (("k1", "t0"), ("k10", "deep"), ("k40", "rest")):
            assert one.fails(same().format("t", key)) == UNIQUE
            assert one.fails(same().format(leaf, key)) == UNIQUE
            assert applied.fails(same().format(leaf, key)) == UNIQUE
        assert (
            one.fails("UPDATE t SET id = 'k1', d = 1, n = (SELECT n FROM t WHERE id = 'k1') WHERE id = 'k40'") == UNIQUE
        )
        assert one.fails("UPDATE t SET d = 5 WHERE id = 'k40'") == ""
        assert one.fails(same().format("t0", "k40")) == UNIQUE
        working.finish()
        assert working.migration.standing().leftovers == ()
        assert one.fails(same().format("t", "k10")) == UNIQUE
    assert work.traces() == []
    assert work.database.ask(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'u' AND conrelid IN"
        " (SELECT relid FROM pg_partition_tree('t')) AND (conparentid <> 0 OR conrelid = 't'::regclass)"
    ) == [(7,)]


def test_a_partition_that_comes_or_goes_meanwhile_is_no_hole() -> None:
    work = partitioned(*unkeyed("CREATE TABLE loose (n int NOT NULL, id text, d int NOT NULL)"))
    work.run("INSERT INTO loose VALUES (7000, 'l', 700)")
    with work.guarded() as working, sessions("") as (one,):
        one.ask("CREATE TABLE fresh PARTITION OF t FOR VALUES FROM (500) TO (600)")
        one.ask("ALTER TABLE t ATTACH PARTITION loose FOR VALUES FROM (700) TO (800)")
        assert working.migration.standing().guard == "complete"
        assert one.fails("INSERT INTO fresh (id, d, n) VALUES ('f', 500, 1)") == ""
        assert one.fails("INSERT INTO t (id, d, n) VALUES ('f', 500, 1)") == UNIQUE
        assert one.fails("INSERT INTO t (id, d, n) VALUES ('l', 700, 7000)") == UNIQUE
        # What was detached or truncated is free, although the guard was not told.
        one.ask("INSERT INTO t (id, d, n) VALUES ('gone', 501, 1); ALTER TABLE t DETACH PARTITION fresh")
        one.ask("CREATE TABLE fresh2 PARTITION OF t FOR VALUES FROM (500) TO (600)")
        assert one.fails("INSERT INTO t (id, d, n) VALUES ('gone', 501, 1)") == ""
        one.ask("TRUNCATE fresh2")
        assert one.fails("INSERT INTO t (id, d, n) VALUES ('gone', 501, 1)") == ""
        assert one.fails("INSERT INTO t (id, d, n) VALUES ('gone', 501, 1)") == UNIQUE
        working.do("build")
        assert working.migration.standing().unique == "index"
        one.ask("CREATE TABLE late PARTITION OF t FOR VALUES FROM (900) TO (950)")
        assert working.migration.standing().unique == "invalid"
        working.finish()
        assert one.fails("INSERT INTO late (id, d, n) VALUES ('f', 900, 1), ('f', 900, 1)") == UNIQUE
        one.ask("CREATE TABLE later PARTITION OF t FOR VALUES FROM (950) TO (999)")
        assert one.fails("INSERT INTO later (id, d, n) VALUES ('f', 950, 1), ('f', 950, 1)") == UNIQUE
    assert work.traces() == []


def test_what_a_partitioned_migration_left_is_removed() -> None:
    work = partitioned()
    with work.migration(not_null=("id",)) as working:
        working.do("lookup", "guard", "not_null", "build")
        made = working.migration.standing()
        assert (made.lookup, made.guard, made.unique, made.nulls_forbidden) == ("ready", "complete", "index", True)
        working.migration.remove_guard()
        working.migration.remove_constraint(not_null=("id",))
        assert working.migration.standing().leftovers == ()
        working.do("lookup", "guard", "build", "attach")
        working.migration.remove_guard()
        working.migration.remove_constraint()
        left = working.migration.standing()
        assert (left.lookup, left.guard, left.unique) == ("none", "none", "none")
    assert work.traces() == []
    assert work.database.ask(f"SELECT count(*) {UNIQUES}") == [(0,)]
