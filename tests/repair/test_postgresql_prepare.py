"""The tool's own tables in PostgreSQL: made once, kept as they are, and refused where they are not the tool's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dedupaudit.config import DatabaseSettings, TableSettings
from dedupaudit.errors import Refused
from dedupaudit.repair.databases.postgresql import PostgresqlRepair
from dedupaudit.repair.databases.protocol import RUN_COLUMNS
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.urls import parse_database_url
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import opened

NAME = "repair_prepare"


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[str]:
    yield postgresql.create_database(NAME)
    postgresql.drop_database(NAME)


@pytest.fixture
def plain(postgresql: PostgresqlServer, database: str) -> Iterator[str]:
    """Give the URL of a role without any right but to read and change `t`."""
    do(
        postgresql,
        "CREATE TABLE t (id text, v int)",
        "DROP ROLE IF EXISTS plain",
        "CREATE ROLE plain LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON t TO plain",
    )
    yield postgresql.url(user="plain", database=NAME)
    do(postgresql, "DROP OWNED BY plain CASCADE", "DROP ROLE plain")


def do(server: PostgresqlServer, *statements: str) -> None:
    for statement in statements:
        server.execute(statement, database=NAME)


def repair(url: str) -> PostgresqlRepair:
    return PostgresqlRepair(DatabaseSettings("db", parse_database_url(url)))


def catalog_of(url: str, *name: str) -> Catalog:
    with opened(url, TableSettings(key=("id",), name=name or ("t",))) as (_source, table):
        return table.catalog


def described(server: PostgresqlServer) -> list[tuple[object, ...]]:
    """Return all that the tool's schema has: columns with types, NOT NULL, defaults, and indexes."""
    return server.execute(
        "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, atthasdef, attidentity, attgenerated,"
        " attcollation::regcollation::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
        " WHERE relnamespace = 'dedupaudit'::regnamespace AND attnum > 0 AND NOT attisdropped ORDER BY 1, attnum",
        database=NAME,
    )


def test_what_is_missing_is_made_and_a_second_time_changes_nothing(postgresql: PostgresqlServer, database: str) -> None:
    do(
        postgresql,
        "CREATE DOMAIN short AS varchar(7) COLLATE \"C\" NOT NULL DEFAULT 'x' CHECK (VALUE <> '')",
        "CREATE DOMAIN shorter AS short CHECK (length(VALUE) < 4)",
        "CREATE TYPE mood AS ENUM ('sad')",
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, a shorter, b numeric(10,2)[] DEFAULT '{}' NOT NULL,"
        " c mood, d int GENERATED ALWAYS AS (1) STORED, e text COLLATE \"C\" UNIQUE CHECK (e <> ''), f timestamptz(3))",
    )
    catalog = catalog_of(database)
    with closing(repair(database)) as session:
        assert not session.has_own_tables()
        assert session.quarantines() == []
        session.prepare([catalog])
        assert session.has_own_tables()
        assert session.quarantines() == ['"dedupaudit"."quarantine_t"'] == [session.quarantine(catalog)]
        made = described(postgresql)
        session.prepare([catalog])
    with closing(repair(database)) as session:
        session.prepare([catalog])
    assert described(postgresql) == made
    kept = [row[1:] for row in made if row[0] == "quarantine_t"]
    assert [row[0] for row in kept[:4]] == list(RUN_COLUMNS)
    assert [row[:3] for row in kept[4:]] == [
        ("id", "bigint", False),
        ("a", "character varying(7)", False),
        ("b", "numeric(10,2)[]", False),
        ("c", "mood", False),
        ("d", "integer", False),
        ("e", "text", False),
        ("f", "timestamp(3) with time zone", False),
    ]
    assert {row[3:6] for row in kept} == {(False, "", "")}
    assert [row[6] for row in kept if row[0] in ("a", "e")] == ['"C"', '"C"']
    assert ("runs", "children_repointed", "bigint") in [row[:3] for row in made]


def test_a_column_that_was_added_is_added_to_the_quarantine_also_where_it_may_not_be_null(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(postgresql, "CREATE DOMAIN filled AS text NOT NULL", "CREATE TABLE t (id text)")
    with closing(repair(database)) as session:
        session.prepare([catalog_of(database)])
        session.execute("INSERT INTO dedupaudit.quarantine_t VALUES ('r', 1, 1, 'victim', 'x')")
        do(postgresql, "ALTER TABLE t ADD n int NOT NULL DEFAULT 5, ADD f filled DEFAULT 'x'",
           "ALTER TABLE t DROP id",
           "ALTER TABLE t ADD id varchar(5)", "ALTER TABLE t RENAME id TO ident",
           "ALTER TABLE t ADD id text")  # fmt: skip
        session.prepare([catalog_of(database)])
    rows = postgresql.execute("SELECT id, n, f, ident FROM dedupaudit.quarantine_t", database=NAME)
    assert rows == [("x", None, None, None)]


@pytest.mark.parametrize(
    ("alteration", "said"),
    [
        ("ALTER TABLE dedupaudit.quarantine_t ALTER v TYPE bigint", "column v is bigint, the table's integer"),
        ('ALTER TABLE dedupaudit.quarantine_t ALTER id TYPE text COLLATE "C"', "column id"),
        ("ALTER TABLE dedupaudit.quarantine_t ALTER v SET NOT NULL", "column v has NOT NULL"),
        ("ALTER TABLE dedupaudit.quarantine_t ADD extra int NOT NULL", "column extra has NOT NULL"),
        ("ALTER TABLE dedupaudit.quarantine_t DROP dedupaudit_chunk", "column dedupaudit_chunk is gone"),
        ("ALTER TABLE dedupaudit.quarantine_t ALTER dedupaudit_run TYPE varchar(3)", "column dedupaudit_run"),
        ("CREATE UNIQUE INDEX ON dedupaudit.quarantine_t (id)", "a unique index"),
        ("ALTER TABLE dedupaudit.quarantine_t ADD CHECK (v > 0)", "a constraint"),
        ("ALTER TABLE dedupaudit.quarantine_t ENABLE ROW LEVEL SECURITY", "a policy"),
        ("CREATE RULE r AS ON INSERT TO dedupaudit.quarantine_t DO INSTEAD NOTHING", "a rule"),
        ("CREATE TRIGGER f BEFORE INSERT ON dedupaudit.quarantine_t FOR EACH ROW EXECUTE FUNCTION f()", "a trigger"),
        ("DROP TABLE dedupaudit.quarantine_t; CREATE VIEW dedupaudit.quarantine_t AS SELECT 1", "no ordinary table"),
        ("CREATE TRIGGER f BEFORE DELETE ON dedupaudit.journal FOR EACH ROW EXECUTE FUNCTION f()", "a trigger"),
        ("ALTER TABLE dedupaudit.runs DROP token", "its columns are others"),
    ],
)
def test_what_somebody_altered_is_refused_and_left_as_it_is(
    postgresql: PostgresqlServer, database: str, alteration: str, said: str
) -> None:
    do(
        postgresql,
        "CREATE TABLE t (id text, v int)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    )
    catalog = catalog_of(database)
    with closing(repair(database)) as session:
        session.prepare([catalog])
        do(postgresql, alteration)
        before = described(postgresql)
        with pytest.raises(Refused, match=said) as error:
            session.prepare([catalog])
        assert "was altered" in error.value.message
        assert "rename it away" in error.value.hint
    assert described(postgresql) == before


def test_a_role_without_rights_is_told_what_to_grant_step_by_step_and_nothing_is_left_behind(
    postgresql: PostgresqlServer, plain: str
) -> None:
    catalog = catalog_of(plain)
    steps = (
        ("may not make the schema", f"GRANT CREATE ON DATABASE {NAME} TO plain", "CREATE SCHEMA dedupaudit"),
        ("may not use the schema", "GRANT USAGE, CREATE ON SCHEMA dedupaudit TO plain",
         "GRANT USAGE ON SCHEMA dedupaudit TO plain"),
        ("may not make tables", "GRANT USAGE, CREATE ON SCHEMA dedupaudit TO plain",
         "GRANT CREATE ON SCHEMA dedupaudit TO plain"),
    )  # fmt: skip
    with closing(repair(plain)) as session:
        for said, hint, done in steps:
            with pytest.raises(Refused, match=said) as error:
                session.prepare([catalog])
            assert hint in error.value.hint
            assert not session.has_own_tables()
            do(postgresql, done)
        session.prepare([catalog])
        # What another role made belongs to that one.
        do(postgresql, "ALTER TABLE dedupaudit.quarantine_t OWNER TO postgres")
        with pytest.raises(Refused, match="may not work in") as error:
            session.prepare([catalog])
        assert "GRANT SELECT, INSERT, UPDATE, DELETE ON" in error.value.hint
        do(postgresql, "GRANT ALL ON dedupaudit.quarantine_t TO plain")
        session.prepare([catalog])
        do(postgresql, "ALTER TABLE t ADD w int")
        with pytest.raises(Refused, match="does not own") as error:
            session.prepare([catalog])
        assert 'ALTER TABLE "dedupaudit"."quarantine_t" ADD COLUMN "w" integer' in error.value.hint


def test_a_grant_that_the_hint_names_is_enough(postgresql: PostgresqlServer, plain: str) -> None:
    with closing(repair(plain)) as session:
        with pytest.raises(Refused) as error:
            session.prepare([catalog_of(plain)])
        do(postgresql, error.value.hint.partition("; or ")[2])
        session.prepare([catalog_of(plain)])
        assert session.has_own_tables()


def test_a_refusal_for_the_second_table_leaves_nothing_of_the_first(
    postgresql: PostgresqlServer, database: str
) -> None:
    do(postgresql, "CREATE TABLE t (id text)", "CREATE TABLE u (id text, dedupaudit_step int)")
    with closing(repair(database)) as session:
        with pytest.raises(Refused, match="dedupaudit_step"):
            session.prepare([catalog_of(database), catalog_of(database, "u")])
        assert not session.has_own_tables()
        gone = Catalog("gone", '"public"."gone"', "table", ())
        with pytest.raises(Refused, match="is gone"):
            session.prepare([gone])
        wide = ", ".join(f"c{number} int" for number in range(1599))
        do(postgresql, f"CREATE TABLE w (id text, {wide})")
        with pytest.raises(Refused, match="1600 columns"):
            session.prepare([catalog_of(database, "w")])
        assert not session.has_own_tables()
        session.prepare([catalog_of(database)])


def test_two_sessions_prepare_at_once(postgresql: PostgresqlServer, database: str) -> None:
    do(postgresql, "CREATE TABLE t (id text)")
    catalog = catalog_of(database)

    def prepare(_number: int) -> None:
        with closing(repair(database)) as session:
            session.prepare([catalog])

    with ThreadPoolExecutor(4) as pool:
        for round_ in range(5):
            do(postgresql, "DROP SCHEMA IF EXISTS dedupaudit CASCADE")
            list(pool.map(prepare, range(4)))
            made = described(postgresql)
            assert len([row for row in made if row[0] == "quarantine_t"]) == 5, round_


def test_every_table_has_a_quarantine_of_its_own_whatever_it_is_called(
    postgresql: PostgresqlServer, database: str
) -> None:
    long = "x" * 63
    names = [("public", "t"), ("app", "t"), ("app_t", "x"), ("app", "t_x"), ("public", "T"), ("public", "app_t"),
             ("public", long), ("public", long[:-1] + "y"), ("app", long), ("public", 'a"."b'), ("public", "表" * 21),
             ("public", "表" * 20 + "格"), ("public", "runs")]  # fmt: skip
    do(postgresql, "CREATE SCHEMA app", "CREATE SCHEMA app_t")
    with closing(repair(database)) as session:
        catalogs = []
        for schema, name in names:
            quoted = f"{session.quote(schema)}.{session.quote(name)}"
            do(postgresql, f"CREATE TABLE {quoted} (id text)")
            catalogs.append(Catalog(name, quoted, "table", ()))
        session.prepare(catalogs)
        made = [session.quarantine(catalog) for catalog in catalogs]
        assert len(set(made)) == len(names)
        assert sorted(session.quarantines()) == sorted(made)
        # The same for a role that finds the table without its schema.
        assert session.quarantine(Catalog("app.t", '"app"."t"', "table", ())) == made[1]
