"""A quarantine or a journal that somebody altered: told before anything changes, or by the proof at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.repair.faults import Bed, make_bed
from tests.repair.killing_tables import ROWS

ALL = ("sqlite", "postgresql", "mariadb")


@pytest.fixture(scope="module", params=ALL)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    yield from make_bed(request.param, tmp_path_factory.mktemp("faults"))


@pytest.fixture
def bed(made: Bed) -> Bed:
    made.place.restore()
    return made


def trigger(bed: Bed, table: str, event: str, deed: str) -> tuple[str, ...]:
    """Return the statements that make a trigger; on PostgreSQL `deed` is a function's body."""
    match bed.place.name:
        case "postgresql":
            body = f"CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {deed} END $$"
            return (body, f"CREATE TRIGGER meddling BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION meddle()")
        case "mariadb":
            return (f"CREATE TRIGGER meddling BEFORE {event} ON {table} FOR EACH ROW {deed}",)
        case _:
            return (f"CREATE TRIGGER meddling AFTER {event} ON {table} BEGIN {deed} END",)


def meddling(bed: Bed) -> tuple[str, ...]:
    """Return the statements that make the quarantine alter what is put into it."""
    deed = {
        "postgresql": "NEW.note := 'meddled'; RETURN NEW;",
        "mariadb": "SET NEW.note = 'meddled'",
        "sqlite": f"UPDATE {bed.place.own.uploads} SET note = 'meddled' WHERE rowid = NEW.rowid;",
    }[bed.place.name]
    return trigger(bed, bed.place.own.uploads, "INSERT", deed)


@pytest.mark.parametrize("how", ["column dropped", "trigger", "view"])
@pytest.mark.parametrize("verb", ["apply", "undo"])
def test_a_quarantine_table_that_somebody_altered_is_refused_before_anything_changes(
    bed: Bed, how: str, verb: str
) -> None:
    own = bed.place.own.uploads
    with bed.stopped_after(2, bed.apply()):
        pass
    assert bed.resumed(bed.apply()).code == 0
    if verb == "apply":
        # A new run: of the same plan, which was taken back.
        assert bed.run(bed.undo()).code == 0
    if how == "column dropped":
        index = "" if bed.place.name != "sqlite" else 'DROP INDEX IF EXISTS "dedupaudit_quarantine_uploads_run"'
        bed.do(*filter(None, [index]), f"ALTER TABLE {own} DROP COLUMN dedupaudit_role")
    elif how == "trigger":
        bed.do(*meddling(bed))
    else:
        bare = own.rpartition(".")[2]
        bed.do(f"ALTER TABLE {own} RENAME TO {'kept' if '.' in own else 'dedupaudit_kept'}")
        bed.do(f"CREATE VIEW {own} AS SELECT 1 AS dedupaudit_run, 2 AS {bare}")
    before = bed.ask("SELECT * FROM uploads ORDER BY seq")
    try:
        done = bed.run(bed.apply() if verb == "apply" else bed.undo())
    finally:
        if how == "view":
            bed.do(f"DROP VIEW {own}")
            kept = "dedupaudit.kept" if bed.place.name == "postgresql" else "dedupaudit_kept"
            bed.do(f"DROP TABLE {kept}")
    assert done.code == 5, done
    assert b"altered" in done.err
    assert bed.ask("SELECT * FROM uploads ORDER BY seq") == before


def test_a_trigger_that_alters_copies_in_mid_run_rolls_the_chunk_back(bed: Bed) -> None:
    with bed.stopped_after(2, bed.apply()) as child:
        bed.do(*meddling(bed))
        child.go_on()
        done = child.completed()
    assert done.code == 6, done
    assert b"the rows in quarantine are not the rows that were read" in done.err
    state = bed.state()
    assert {entry["chunk"] for entry in state.journal} == {1, 2}
    assert not any(row[-1] == "meddled" for _role, row in state.quarantined)
    on = f" ON {bed.place.own.uploads}" if bed.place.name == "postgresql" else ""
    bed.do(f"DROP TRIGGER meddling{on}")
    done = bed.run(bed.apply())
    assert done.code == 0, done
    bed.holds("done")


@pytest.mark.parametrize(
    "deed",
    [
        "DELETE FROM {uploads} WHERE seq = 102",
        "UPDATE {uploads} SET note = 'other' WHERE seq = 102",
        "INSERT INTO {uploads} SELECT * FROM {uploads} WHERE seq = 102",
        "DELETE FROM {journal} WHERE chunk = 1 AND seq = 1",
        "UPDATE {journal} SET hash_before = 'other' WHERE action = 'deleted' AND chunk = 1",
        "UPDATE {journal} SET action = 'kept' WHERE action = 'deleted' AND chunk = 1",
    ],
)
def test_what_somebody_altered_in_mid_run_fails_the_proof_and_the_undo(bed: Bed, deed: str) -> None:
    names = {"uploads": bed.place.own.uploads, "journal": bed.place.own.journal}
    with bed.stopped_after(4, bed.apply()) as child:
        if bed.place.name == "mariadb" and deed.startswith("INSERT"):
            listed = ", ".join(
                column
                for (column,) in bed.ask(
                    "SELECT column_name FROM information_schema.columns WHERE table_schema = 'faults'"
                    f" AND table_name = '{names['uploads']}' AND extra NOT LIKE '%auto_increment%'"
                )
            )
            deed = f"INSERT INTO {{uploads}} ({listed}) SELECT {listed} FROM {{uploads}} WHERE seq = 102"
        bed.do(deed.format(**names))
        child.go_on()
        done = child.completed()
    assert done.code == 6, done
    assert bed.state().runs[0]["state"] == "failed"
    # Run again it finds the same, and changes nothing.
    before = bed.state()
    again = bed.run(bed.apply())
    assert again.code == 6, again
    now = bed.state()
    assert (now.uploads, now.quarantined, now.journal) == (before.uploads, before.quarantined, before.journal)
    undone = bed.run(bed.undo())
    assert undone.code in (5, 6), undone
    # What the undo did not take back is in quarantine still; nothing is in both places.
    state = bed.state()
    victims = [row for role, row in state.quarantined if role == "victim"]
    assert not {row[0] for row in victims} & set(state.uploads)
    if "102" not in deed:
        victims_of_plan = {victim for group in bed.plan for victim in group.victims}
        there = [*victims, *state.uploads.values()]
        assert all(row in there for row in ROWS if row[0] in victims_of_plan)
