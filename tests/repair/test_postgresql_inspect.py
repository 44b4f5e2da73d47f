"""What stands around a PostgreSQL table: foreign keys, triggers, rules, and each reason not to repair it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from dedupaudit.config import DatabaseSettings, TableSettings
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.repair.databases.protocol import Inspection, Trigger
from dedupaudit.urls import parse_database_url
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import opened

NAME = "repair_inspect"


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[str]:
    yield postgresql.create_database(NAME)
    postgresql.drop_database(NAME)


@pytest.fixture
def plain(postgresql: PostgresqlServer, database: str) -> Iterator[str]:
    """Give the URL of a role that may only SELECT."""
    do(postgresql, "DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN",
       "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO plain")  # fmt: skip
    yield postgresql.url(user="plain", database=NAME)
    do(postgresql, "DROP OWNED BY plain CASCADE", "DROP ROLE plain")


def do(server: PostgresqlServer, *statements: str) -> None:
    for statement in statements:
        server.execute(statement, database=NAME)


def inspected(url: str, *name: str) -> Inspection:
    settings = TableSettings(key=("id",), name=name or ("t",))
    repair = PostgresqlRepair(DatabaseSettings("db", parse_database_url(url)))
    with opened(url, settings) as (_source, table), closing(repair) as session:
        return session.inspect(table)


def test_every_sort_of_foreign_key_is_found_once(postgresql: PostgresqlServer, database: str) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text, up int CONSTRAINT self REFERENCES t ON DELETE SET NULL,"
        " UNIQUE (b, a), UNIQUE (a))",
        "CREATE SCHEMA other",
        "CREATE TABLE other.c1 (id int PRIMARY KEY, x int CONSTRAINT elsewhere REFERENCES t ON DELETE CASCADE)",
        "CREATE TABLE c2 (id int PRIMARY KEY, y int, x text, CONSTRAINT composite FOREIGN KEY (y, x)"
        " REFERENCES t (a, b) DEFERRABLE INITIALLY DEFERRED, z int CONSTRAINT twice REFERENCES t (a)"
        " ON DELETE RESTRICT)",
        "CREATE TABLE parts (id int PRIMARY KEY, x int CONSTRAINT whole REFERENCES t ON DELETE SET DEFAULT)"
        " PARTITION BY RANGE (id)",
        "CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE part2 PARTITION OF parts FOR VALUES FROM (10) TO (20)",
        "CREATE TABLE loose (id int PRIMARY KEY, x int) PARTITION BY RANGE (id)",
        "CREATE TABLE loose1 PARTITION OF loose FOR VALUES FROM (0) TO (10)",
        "ALTER TABLE loose1 ADD CONSTRAINT of_part FOREIGN KEY (x) REFERENCES t NOT VALID",
        "CREATE TABLE unrelated (id int PRIMARY KEY, x int REFERENCES c2)",
    )
    found = inspected(database)
    assert found.refusals == ()
    assert {(link.name, link.child.quoted, link.columns, link.referenced, link.on_delete) for link in found.links} == {
        ("self", '"public"."t"', ("up",), ("id",), "SET NULL"),
        ("elsewhere", '"other"."c1"', ("x",), ("id",), "CASCADE"),
        ("composite", '"public"."c2"', ("y", "x"), ("a", "b"), "NO ACTION"),
        ("twice", '"public"."c2"', ("z",), ("a",), "RESTRICT"),
        ("whole", '"public"."parts"', ("x",), ("id",), "SET DEFAULT"),
        ("of_part", '"public"."loose1"', ("x",), ("id",), "NO ACTION"),
    }
    assert len(found.links) == 6
    assert all(link.unique and link.child.primary_key == ("id",) and link.child.columns for link in found.links)


def test_a_partitioned_table_is_referred_to_and_fired_as_a_whole(postgresql: PostgresqlServer, database: str) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20)",
        "CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES t ON DELETE CASCADE)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER everywhere AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER one AFTER DELETE ON t2 FOR EACH ROW EXECUTE FUNCTION f()",
    )
    found = inspected(database)
    assert found.refusals == ()
    assert [(link.child.name, link.on_delete) for link in found.links] == [("c", "CASCADE")]
    assert found.triggers == (Trigger("everywhere", "t", "DELETE"), Trigger("one", "t2", "DELETE"))


def test_triggers_and_rules_that_a_repair_fires_are_told_and_no_others(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES t ON DELETE CASCADE)",
        "CREATE TABLE unrelated (id int PRIMARY KEY)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER row_delete BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER statement_delete AFTER DELETE OR TRUNCATE ON t EXECUTE FUNCTION f()",
        "CREATE TRIGGER two_events AFTER UPDATE OF id OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER inserts AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER truncates AFTER TRUNCATE ON t EXECUTE FUNCTION f()",
        "CREATE TRIGGER off BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE t DISABLE TRIGGER off",
        "CREATE TRIGGER replicas BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE t ENABLE REPLICA TRIGGER replicas",
        "CREATE TRIGGER always BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE t ENABLE ALWAYS TRIGGER always",
        "CREATE RULE ruled AS ON DELETE TO t DO ALSO NOTHING",
        "CREATE TRIGGER child_update AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER child_insert AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER child_delete AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE RULE child_rule AS ON UPDATE TO c DO ALSO NOTHING",
        "CREATE TRIGGER elsewhere AFTER DELETE ON unrelated FOR EACH ROW EXECUTE FUNCTION f()",
    )
    found = inspected(database)
    assert found.refusals == ()
    assert set(found.triggers) == {
        Trigger("row_delete", "t", "DELETE"),
        Trigger("statement_delete", "t", "DELETE"),
        Trigger("two_events", "t", "DELETE"),
        Trigger("inserts", "t", "INSERT"),
        Trigger("two_events", "t", "UPDATE"),
        Trigger("always", "t", "DELETE"),
        Trigger("ruled", "t", "DELETE"),
        Trigger("child_update", "c", "UPDATE"),
        Trigger("child_rule", "c", "UPDATE"),
    }
    assert len(found.triggers) == 9


@pytest.mark.parametrize(
    ("making", "said"),
    [
        (("CREATE TABLE u (id int PRIMARY KEY)", "CREATE VIEW t AS SELECT * FROM u"), "t is a view"),
        (("CREATE TABLE u (id int)", "CREATE MATERIALIZED VIEW t AS SELECT * FROM u"), "t is a materialized view"),
        (("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE u () INHERITS (t)"), "tables inherit from table t"),
        (("CREATE TABLE t (id int) PARTITION BY RANGE (id)",), 'ALTER TABLE public.t ADD PRIMARY KEY'),
        (("CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
          "CREATE TABLE t PARTITION OF p FOR VALUES FROM (0) TO (9)"), "is a partition"),
        (("CREATE TABLE t (id int)", "CREATE PUBLICATION p FOR TABLE t"), "ALTER TABLE public.t REPLICA IDENTITY FULL"),
        (("CREATE TABLE t (id int PRIMARY KEY)", "ALTER TABLE t REPLICA IDENTITY NOTHING",
          "CREATE PUBLICATION p FOR ALL TABLES"), "no replica identity"),
        (("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE c (x int REFERENCES t)"),
         "ALTER TABLE public.c ADD PRIMARY KEY"),
        (("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES t)",
          "CREATE TABLE d () INHERITS (c)"), "tables inherit from table c, which refers to it,"),
        (("CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES t)",
          "ALTER TABLE c REPLICA IDENTITY NOTHING", "CREATE PUBLICATION p FOR TABLE c"),
         "ALTER TABLE public.c REPLICA IDENTITY FULL"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_repaired_is_refused_and_told_what_to_do(
    postgresql: PostgresqlServer, database: str, making: tuple[str, ...], said: str
) -> None:
    do(postgresql, *making)
    (refusal,) = inspected(database).refusals
    assert said in refusal


@pytest.mark.parametrize(
    "making",
    [
        ("CREATE TABLE t (id int)",),
        ("CREATE UNLOGGED TABLE t (id int PRIMARY KEY)",),
        ("CREATE TABLE p (id int)", "CREATE TABLE t () INHERITS (p)"),
        ("CREATE TABLE t (id int PRIMARY KEY)", "CREATE PUBLICATION p FOR TABLE t"),
        ("CREATE TABLE t (id int)", "ALTER TABLE t REPLICA IDENTITY FULL", "CREATE PUBLICATION p FOR ALL TABLES"),
        ("CREATE TABLE t (id int)", "CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert')"),
        ("CREATE TABLE t (id int)", "CREATE TABLE u (id int)", "CREATE PUBLICATION p FOR TABLE u"),
        ("CREATE TABLE t (id int)", "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
    ],
)
def test_a_table_that_can_be_repaired_is_not_refused(
    postgresql: PostgresqlServer, database: str, making: tuple[str, ...]
) -> None:
    do(postgresql, *making)
    assert inspected(database) == Inspection()
    # And what is not refused is taken by the server.
    do(postgresql, "INSERT INTO t VALUES (1)", "UPDATE t SET id = 2", "DELETE FROM t")


def test_what_is_refused_for_its_publication_is_what_the_server_refuses(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(postgresql, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)", "CREATE PUBLICATION p FOR TABLE t")
    with pytest.raises(Exception, match="does not have a replica identity"):
        do(postgresql, "DELETE FROM t")
    (refusal,) = inspected(database).refusals
    do(postgresql, refusal.rpartition(": ")[2], "DELETE FROM t")


def test_missing_rights_are_told_as_grants_that_suffice(postgresql: PostgresqlServer, plain: str) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.c (id int PRIMARY KEY, x int REFERENCES t)",
        "REVOKE ALL ON other.c FROM plain",
        'CREATE TABLE "Odd child" (id int PRIMARY KEY, x int REFERENCES t)',
    )
    found = inspected(plain)
    grants = [statement for one in found.refusals for statement in one.partition(": ")[2].split("; ")]
    assert grants == [
        "GRANT INSERT, UPDATE, DELETE ON public.t TO plain",
        "GRANT USAGE ON SCHEMA other TO plain",
        "GRANT SELECT, UPDATE ON other.c TO plain",
        'GRANT UPDATE ON public."Odd child" TO plain',
    ]
    do(postgresql, *grants)
    found = inspected(plain)
    assert found.refusals == ()
    assert len(found.links) == 2


def test_row_level_security_that_holds_for_the_role_is_refused(postgresql: PostgresqlServer, plain: str) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES t)",
        "GRANT ALL ON t, c TO plain",
    )
    assert inspected(plain).refusals == ()
    do(postgresql, "ALTER TABLE c ENABLE ROW LEVEL SECURITY")
    (refusal,) = inspected(plain).refusals
    assert "row-level security on table c, which refers to it" in refusal
    do(postgresql, "ALTER ROLE plain BYPASSRLS")
    assert inspected(plain).refusals == ()
    do(postgresql, "ALTER ROLE plain NOBYPASSRLS", "ALTER TABLE c OWNER TO plain")
    assert inspected(plain).refusals == ()
    do(postgresql, "ALTER TABLE c FORCE ROW LEVEL SECURITY")
    assert len(inspected(plain).refusals) == 1


def test_the_handle_is_the_key_or_the_place_where_rows_have_one(postgresql: PostgresqlServer, database: str) -> None:
    do(
        postgresql,
        "CREATE TABLE keyed (id int, b int, PRIMARY KEY (b, id))",
        "CREATE TABLE free (id int)",
        "CREATE TABLE parent (id int)",
        "CREATE TABLE child () INHERITS (parent)",
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
    )
    handles = {}
    with closing(PostgresqlRepair(DatabaseSettings("db", parse_database_url(database)))) as session:
        for name in ("keyed", "free", "parent", "parts"):
            with opened(database, TableSettings(key=("id",), name=(name,))) as (_source, table):
                handles[name] = tuple(column.name for column in session.handle(table.catalog))
    assert handles == {"keyed": ("b", "id"), "free": ("ctid",), "parent": (), "parts": ()}
