"""PostgreSQL's guard, attacked: each test is one way in which a duplicate could get past it, or a writer be wronged."""

from __future__ import annotations

import pytest

from tests.migrate.postgresql_workman import UNIQUE, Session, Workman, sessions

READ_COMMITTED = "BEGIN ISOLATION LEVEL READ COMMITTED"
REPEATABLE_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"
SERIALIZABLE = "BEGIN ISOLATION LEVEL SERIALIZABLE"
LEVELS = (READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE)
T = "CREATE TABLE t (n serial PRIMARY KEY, id text, x int UNIQUE)"
SNAPSHOT = "SELECT count(*) FROM bystander"
OLD = "INSERT INTO t (id) VALUES ('old'), ('twice'), ('twice')"


def refused(level: str) -> tuple[str, ...]:
    """Return how a duplicate may be refused: at SERIALIZABLE a failure to serialize comes first, with an index too."""
    return (UNIQUE, "40001") if level == SERIALIZABLE else (UNIQUE,)


# ---- sessions at once


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", ["('new')", "('a'), ('new'), ('b')"], ids=["one row", "several rows"])
def test_of_two_who_store_one_key_at_once_the_second_waits_and_is_refused(level: str, rows: str) -> None:
    work = Workman(T)
    with work.guarded(), sessions(level, level) as (first, second):
        # Both have their snapshots before either writes.
        assert first.ask(SNAPSHOT) == second.ask(SNAPSHOT)
        assert first.fails("INSERT INTO t (id) VALUES ('new')") == ""
        later = second.later(f"INSERT INTO t (id) VALUES {rows}")
        assert later.is_waiting
        first.ask("COMMIT")
        assert later.state in refused(level)
    assert work.keys() == ["new"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", ["('new')", "('a'), ('new'), ('b')"], ids=["one row", "several rows"])
def test_the_second_goes_on_where_the_first_takes_it_back(level: str, rows: str) -> None:
    work = Workman(T)
    with work.guarded(), sessions(level, level) as (first, second):
        assert first.ask(SNAPSHOT) == second.ask(SNAPSHOT)
        assert first.fails("INSERT INTO t (id) VALUES ('new')") == ""
        later = second.later(f"INSERT INTO t (id) VALUES {rows}")
        assert later.is_waiting
        first.ask("ROLLBACK")
        assert later.state == ""
        second.ask("COMMIT")
    assert work.keys().count("new") == 1


@pytest.mark.parametrize("level", LEVELS)
def test_a_key_that_the_snapshot_does_not_see_is_refused(level: str) -> None:
    work = Workman(T)
    with work.guarded(), sessions(level, "", level) as (early, other, many):
        for one in (early, many):
            one.ask(SNAPSHOT)
        other.ask("INSERT INTO t (id) VALUES ('new')")
        assert early.fails("INSERT INTO t (id) VALUES ('new')") == UNIQUE
        assert (
            many.fails("INSERT INTO t (id) SELECT 'new' || g FROM generate_series(1, 500) g UNION SELECT 'new'")
            == UNIQUE
        )


@pytest.mark.parametrize("level", LEVELS)
def test_a_key_that_is_older_than_the_guard_is_refused(level: str) -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions(level, level) as (one, many):
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert many.fails("INSERT INTO t (id) VALUES ('a'), ('old')") == UNIQUE


def test_a_snapshot_older_than_the_guard_is_listed_until_its_transaction_ends() -> None:
    # With an index of its own the table needs no lookup index, whose build would wait for the snapshot too.
    work = Workman(T, "CREATE INDEX serves ON t (id)")
    with sessions(REPEATABLE_READ, REPEATABLE_READ) as (early, idle):
        early.ask("SELECT count(*) FROM t")
        work.run("INSERT INTO t (id) VALUES ('unseen')")
        with work.guarded() as working, sessions(REPEATABLE_READ) as (late,):
            # This is what the wait is for: no guard can know of a row that neither it nor the writer saw.
            assert early.fails("INSERT INTO t (id) VALUES ('unseen')") == ""
            older = working.migration.older()
            assert [f"pid {early.pid}" in told for told in older] == [True]
            late.ask("SELECT count(*) FROM t")
            assert idle.fails("SELECT count(*) FROM t") == ""
            assert working.migration.older() == older
            early.ask("COMMIT")
            assert working.migration.older() == []
    assert work.keys() == ["unseen", "unseen"]


def test_a_role_that_sees_no_statistics_waits_for_every_open_transaction() -> None:
    work = Workman(T, "GRANT ALL ON SCHEMA public TO public", *_role("guardian"), "ALTER TABLE t OWNER TO guardian")
    work.run("GRANT CREATE ON DATABASE repaired TO guardian")
    with sessions(READ_COMMITTED) as (idle,), work.migration(role="guardian") as working:
        idle.ask(SNAPSHOT)
        working.do("lookup", "guard")
        assert [told for told in working.migration.older() if f"pid {idle.pid}" in told]
        idle.ask("COMMIT")
        assert working.migration.older() == []


def _role(name: str) -> tuple[str, ...]:
    return (f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",)


# ---- what statements do


def test_what_is_raised_looks_like_the_constraint_and_tells_no_value() -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions("") as (one,):
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert one.last is not None
        said = one.last.diag
        assert (said.schema_name, said.table_name, said.constraint_name) == ("public", "t", "t_id_key")
        assert said.message_primary == 'duplicate key value violates unique constraint "t_id_key"'
        assert said.message_detail == "Key (id) already exists."


def test_a_duplicate_within_one_statement_is_refused() -> None:
    work = Workman(T)
    with work.guarded(), sessions("") as (one,):
        assert one.fails("INSERT INTO t (id) VALUES ('a'), ('a')") == UNIQUE
        assert one.fails("COPY t (id) FROM PROGRAM 'printf \"a\\nb\\na\\n\"'") == UNIQUE
        assert one.fails("INSERT INTO t (id) SELECT 'r' || g % 10000 FROM generate_series(1, 10001) g") == UNIQUE
        assert one.fails("COPY t (id) FROM PROGRAM 'printf \"a\\nb\\n\"'") == ""
    assert work.keys() == ["a", "b"]


def test_two_inserts_of_one_statement_are_looked_at_both() -> None:
    work = Workman(T)
    with work.guarded(), sessions("") as (one,):
        both = "WITH a AS (INSERT INTO t (id) VALUES ('{}')) INSERT INTO t (id) VALUES ('{}')"
        assert one.fails(both.format("a", "a")) == UNIQUE
        assert one.fails(both.format("a", "b")) == ""
        assert one.fails("INSERT INTO t (id) VALUES ('b')") == UNIQUE
    assert work.keys() == ["a", "b"]


def test_nulls_are_no_duplicates() -> None:
    work = Workman(T, "INSERT INTO t (id) VALUES (NULL)")
    with work.guarded(), sessions("") as (one,):
        assert one.fails("INSERT INTO t (id) VALUES (NULL), (NULL), ('a')") == ""
        assert one.fails("UPDATE t SET id = NULL") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('a')") == ""
    assert work.keys().count(None) == 4


def test_an_unchanged_key_may_be_written_again_and_takes_no_entry() -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions("") as (one,):
        assert one.fails("UPDATE t SET n = n, id = id, x = n") == ""
        assert work.entries() == 0


def test_a_changed_key_is_looked_at() -> None:
    work = Workman(T, OLD, "INSERT INTO t (id) VALUES ('other')")
    with work.guarded(), sessions("") as (one,):
        assert one.fails("UPDATE t SET id = 'old' WHERE id = 'other'") == UNIQUE
        assert one.fails("UPDATE t SET id = 'another' WHERE id = 'other'") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('another')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('other')") == ""
        assert one.fails("UPDATE t SET id = 'same' WHERE id IN ('other', 'another')") == UNIQUE
    assert work.keys() == ["another", "old", "other", "twice", "twice"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("entries", [True, False], ids=["with entries", "older than the guard"])
def test_keys_that_are_swapped_stay_taken(level: str, *, entries: bool) -> None:
    # A constraint refuses this row by row; the guard looks at the end of the statement, when every key is stored once.
    rows = "INSERT INTO t (id) VALUES ('a'), ('b'), ('c')"
    work = Workman(T, *([] if entries else [rows]))
    with work.guarded(), sessions("", level, level) as (one, first, second):
        if entries:
            one.ask(rows)
        second.ask(SNAPSHOT)
        first.ask("UPDATE t SET id = CASE id WHEN 'a' THEN 'b' WHEN 'b' THEN 'c' ELSE 'a' END")
        later = second.later("INSERT INTO t (id) VALUES ('b')")
        assert later.is_waiting or later.state in refused(level)
        first.ask("COMMIT")
        assert later.state in refused(level)
        for key in "abc":
            assert one.fails(f"INSERT INTO t (id) VALUES ('{key}')") == UNIQUE
    assert work.keys() == ["a", "b", "c"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_key_may_be_deleted_and_stored_again(level: str) -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions(level) as (one,):
        for key in ("old", "new", "new"):
            one.ask(f"DELETE FROM t WHERE id = '{key}'")
            assert one.fails(f"INSERT INTO t (id) VALUES ('{key}')") == ""
        one.ask("COMMIT")
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_savepoint_takes_back_is_free(level: str) -> None:
    work = Workman(T)
    with work.guarded(), sessions(level) as (one,):
        one.ask("SAVEPOINT s; INSERT INTO t (id) VALUES ('a'), ('b'); ROLLBACK TO s")
        assert one.fails("INSERT INTO t (id) VALUES ('a')") == ""
        one.ask("SAVEPOINT s")
        assert one.fails("INSERT INTO t (id) VALUES ('a')") == UNIQUE
        one.ask("ROLLBACK TO s; COMMIT")
    assert work.keys() == ["a"]


def test_when_one_of_two_old_duplicates_goes_its_key_stays_taken() -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions("") as (one,):
        assert one.fails("DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t WHERE id = 'twice')") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('twice')") == UNIQUE
        assert one.fails("UPDATE t SET id = 'twice' WHERE id = 'old'") == UNIQUE
    assert work.keys() == ["old", "twice"]


def test_on_conflict_of_another_constraint_is_guarded() -> None:
    work = Workman(T, "INSERT INTO t (id, x) VALUES ('old', 1), ('other', 2)")
    with work.guarded(), sessions("") as (one,):
        assert one.fails("INSERT INTO t (id, x) VALUES ('old', 3) ON CONFLICT DO NOTHING") == UNIQUE
        assert one.fails("INSERT INTO t (id, x) VALUES ('fresh', 1) ON CONFLICT (x) DO NOTHING") == ""
        upsert = "INSERT INTO t (id, x) VALUES ('{}', {}) ON CONFLICT (x) DO UPDATE SET id = excluded.id"
        assert one.fails(upsert.format("other", 1)) == UNIQUE
        assert one.fails(upsert.format("changed", 1)) == ""
        assert one.fails(upsert.format("changed", 7)) == UNIQUE
        assert one.fails(upsert.format("old", 7)) == ""
    assert work.keys() == ["changed", "old", "other"]


@pytest.mark.parametrize("level", LEVELS)
def test_truncate_frees_all_keys(level: str) -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions(level) as (one,):
        one.ask("SELECT count(*) FROM t")
        work.run("INSERT INTO t (id) VALUES ('late')")
        one.ask("TRUNCATE t")
        for key in ("old", "late"):
            assert one.fails(f"INSERT INTO t (id) VALUES ('{key}')") == ""
        one.ask("SAVEPOINT s")
        assert one.fails("INSERT INTO t (id) VALUES ('late')") == UNIQUE
        one.ask("ROLLBACK TO s; COMMIT")
    assert work.keys() == ["late", "old"]


# ---- who writes


@pytest.mark.parametrize("role", ["replica", "local"])
def test_sessions_of_every_replication_role_are_guarded(role: str) -> None:
    work = Workman(T, OLD)
    with work.guarded(), sessions(f"SET session_replication_role = {role}", "") as (one, other):
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('a'), ('b'), ('a')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('a'), ('b')") == ""
        assert one.fails("UPDATE t SET id = 'a' WHERE id = 'b'") == UNIQUE
        assert other.fails("INSERT INTO t (id) VALUES ('a')") == UNIQUE
        assert one.fails("DELETE FROM t WHERE id = 'a'") == ""
        assert other.fails("INSERT INTO t (id) VALUES ('a')") == ""
        assert one.fails("TRUNCATE t; INSERT INTO t (id) VALUES ('b')") == ""
    assert work.keys() == ["b"]


def test_a_role_that_may_only_insert_is_guarded_and_has_no_right_on_the_side_table() -> None:
    work = Workman(T, OLD, *_role("uploader"), "GRANT USAGE ON SCHEMA public TO uploader")
    work.run("GRANT INSERT ON t TO uploader; GRANT USAGE ON SEQUENCE t_n_seq TO uploader")
    with work.guarded() as working:
        one = Session(role="uploader")
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('fresh')") == ""
        assert one.fails(f"DELETE FROM dedupaudit.guard_{_mark(working)}") == "42501"
        stolen = (
            "CREATE TEMP TABLE mine (id text); CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION"
        )
        assert one.fails(f"{stolen} dedupaudit.guard_{_mark(working)}()") == "42501"
        one.close()


def _mark(working: object) -> str:
    return str(working.migration.guard_triggers()[0]).split("_")[2]  # type: ignore[attr-defined]


def test_row_level_security_of_others_hides_nothing_from_the_guard() -> None:
    work = Workman(T, OLD, *_role("tenant"), "GRANT USAGE ON SCHEMA public TO tenant")
    work.run("GRANT ALL ON t TO tenant; GRANT USAGE ON SEQUENCE t_n_seq TO tenant")
    work.run("ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id ~ '^mine') WITH CHECK (true)")
    with work.guarded():
        one = Session(role="tenant")
        assert one.ask("SELECT count(*) FROM t") == [(0,)]
        assert one.fails("INSERT INTO t (id) VALUES ('old')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('mine1'), ('mine2')") == ""
        one.close()


@pytest.mark.parametrize("kind", ["text", "citext"])
def test_nothing_on_a_search_path_stands_in_for_the_keys_equality(kind: str) -> None:
    work = Workman(
        "CREATE EXTENSION citext SCHEMA other", f"CREATE TABLE t (id {_kind(kind)})", "INSERT INTO t VALUES ('old')"
    )
    typed = _kind(kind)
    with work.guarded(), sessions("") as (one,):
        # An `=` that calls nothing equal, a table of the same name, and a function: all before those that are meant.
        one.ask(
            f"CREATE FUNCTION pg_temp.never({typed}, {typed}) RETURNS boolean LANGUAGE sql AS 'SELECT FALSE';"
            "CREATE SCHEMA evil;"
            f"CREATE FUNCTION evil.never({typed}, {typed}) RETURNS boolean LANGUAGE sql AS 'SELECT FALSE';"
            f"CREATE OPERATOR evil.= (LEFTARG = {typed}, RIGHTARG = {typed}, FUNCTION = evil.never);"
            "CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''gotcha''';"
            f"CREATE TEMP TABLE t (id {typed}); SET search_path = evil, pg_temp, pg_catalog, public"
        )
        assert one.fails("INSERT INTO public.t VALUES ('old')") == UNIQUE
        assert one.fails("INSERT INTO public.t VALUES ('new'), ('newer')") == ""
        assert one.fails("INSERT INTO public.t VALUES ('new')") == UNIQUE
        assert one.fails("UPDATE public.t SET id = 'new' WHERE id OPERATOR(pg_catalog.~~) 'old'") == UNIQUE
    work.run("DROP SCHEMA evil CASCADE")


def _kind(kind: str) -> str:
    return "other.citext" if kind == "citext" else kind


# ---- other triggers, foreign keys


def test_a_trigger_that_rewrites_the_key_is_seen_through() -> None:
    work = Workman(
        T, OLD,
        "CREATE FUNCTION lower_it() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN NEW.id := lower(NEW.id); RETURN NEW; END'",
        "CREATE TRIGGER a BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION lower_it()",
    )  # fmt: skip
    with work.guarded(), sessions("") as (one,):
        assert one.fails("INSERT INTO t (id) VALUES ('OLD')") == UNIQUE
        assert one.fails("INSERT INTO t (id) VALUES ('New'), ('x')") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('NEW')") == UNIQUE
        assert one.fails("UPDATE t SET id = 'NEW' WHERE id = 'x'") == UNIQUE
    assert work.keys() == ["new", "old", "twice", "twice", "x"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("named", ["aaa", "zzz"])
def test_a_trigger_that_changes_the_key_afterwards_leaves_the_first_key_free(level: str, named: str) -> None:
    work = Workman(
        T,
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE t SET id = 'final ' || NEW.n WHERE n = NEW.n AND id = 'draft'; RETURN NULL; END $$",
        f"CREATE TRIGGER {named} AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp()",
    )
    with work.guarded(), sessions(level) as (one,):
        for _ in range(3):
            assert one.fails("INSERT INTO t (id) VALUES ('draft')") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('draft'), ('x')") == ""
        one.ask("COMMIT")
        assert one.fails("INSERT INTO t (id) VALUES ('final 1')") == UNIQUE
    assert work.keys() == ["final 1", "final 2", "final 3", "final 4", "x"]


def test_cascades_of_foreign_keys_are_guarded() -> None:
    work = Workman(
        "CREATE TABLE parent (p text PRIMARY KEY); INSERT INTO parent VALUES ('a'), ('b'), ('c')",
        "CREATE TABLE t (n serial PRIMARY KEY, id text REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE)",
        "INSERT INTO t (id) VALUES ('a'), ('b')",
    )
    with work.guarded(), sessions("") as (one,):
        assert one.fails("UPDATE parent SET p = 'd' WHERE p = 'a'") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('d')") == UNIQUE
        assert one.fails("DELETE FROM parent WHERE p = 'd'; INSERT INTO parent VALUES ('d')") == ""
        assert one.fails("INSERT INTO t (id) VALUES ('d')") == ""
    assert work.keys() == ["b", "d"]


def test_an_entry_whose_row_went_unseen_is_taken_over_by_one() -> None:
    work = Workman(T)
    with work.guarded(), sessions("", READ_COMMITTED, READ_COMMITTED) as (one, first, second):
        one.ask("INSERT INTO t (id) VALUES ('a'), ('b')")
        one.ask("ALTER TABLE t DISABLE TRIGGER USER; DELETE FROM t")
        one.ask("ALTER TABLE t ENABLE TRIGGER USER")
        assert first.fails("INSERT INTO t (id) VALUES ('a')") == ""
        later = second.later("INSERT INTO t (id) VALUES ('x'), ('a')")
        assert later.is_waiting
        first.ask("COMMIT")
        assert later.state == UNIQUE
    assert work.keys() == ["a"]
