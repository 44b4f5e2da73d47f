"""What is refused for another reason than its key is never "already there", and says whether it is refused for ever."""

from __future__ import annotations

import pickle
import traceback

import pytest
from sqlalchemy.exc import DBAPIError

from dedupaudit.ingest import (
    ActivityWriter,
    IdCollision,
    Rejected,
    RowWriter,
    StillUploading,
    Stored,
    Table,
    Unavailable,
)
from tests.ingest.databases import NAMES, Database
from tests.ingest.events import activity, stored_ids

ID = "activity_1766557428498"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_trigger_that_notes_the_device_may_pass_over_what_is_noted(database: Database) -> None:
    """The statement's own OR ABORT held for its triggers as well: the second event of a device was refused."""
    database.run(
        "CREATE TABLE devices (id TEXT PRIMARY KEY)",
        "CREATE TRIGGER note AFTER INSERT ON activities"
        " BEGIN INSERT OR IGNORE INTO devices VALUES (NEW.device_id); END",
    )
    writer = ActivityWriter(database.engine)
    assert [writer.write(activity(name)).duplicate for name in ("a", "b", "a")] == [False, False, True]
    assert writer.write_batch([activity("c"), activity("d")]) == [Stored("c"), Stored("d")]
    assert database.ask("SELECT id FROM devices") == [("device-1",)]


REFUSALS = {
    "another unique key": "CREATE UNIQUE INDEX one_type ON activities (type)",
    "foreign key": "ALTER TABLE activities ADD FOREIGN KEY (device_id) REFERENCES processes (id)",
    "check": "ALTER TABLE activities ADD CHECK (timestamp > 1766557428498)",
}


# SQLite adds no constraint to a table, but for an index.
@pytest.mark.parametrize(
    ("database", "refusal"),
    [(name, refusal) for name in NAMES for refusal in REFUSALS if name != "sqlite" or refusal == "another unique key"],
    indirect=["database"],
)
def test_what_another_constraint_refuses_is_never_a_duplicate(database: Database, refusal: str) -> None:
    database.run(REFUSALS[refusal])
    writer = ActivityWriter(database.engine)
    if refusal == "another unique key":
        writer.write(activity("a"))
    for _ in range(2):
        with pytest.raises(Rejected, match="refused this event"):
            writer.write(activity())
    outcome = writer.write_batch([activity(), activity("b", kind="key")])[0]
    assert isinstance(outcome, Rejected)
    assert ID not in stored_ids(database)


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_what_waits_for_another_row_or_a_partition_is_not_refused_for_ever(database: Database) -> None:
    """A client drops what can never be stored: these can, once somebody has made what is missing."""
    database.run(
        "ALTER TABLE activities ADD CHECK (timestamp > 0)",
        "ALTER TABLE activities ADD FOREIGN KEY (device_id) REFERENCES processes (id)",
        "CREATE TABLE parted (id varchar(9), day int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
        + (" (PARTITION p VALUES LESS THAN (5))" if database.name == "mariadb" else ""),
    )
    with pytest.raises(Rejected, match="foreign key") as referring:
        ActivityWriter(database.engine).write(activity())
    with pytest.raises(Rejected, match="partition") as parted:
        RowWriter(database.engine, Table(("parted",), key=("id", "day"))).write({"id": "a", "day": 5})
    with pytest.raises(Rejected, match="check") as checked:
        ActivityWriter(database.engine).write(activity(timestamp=0))
    database.run("ALTER TABLE activities ADD tenant int NOT NULL")
    with pytest.raises(Rejected, match="not null") as unfilled:
        ActivityWriter(database.engine).write(activity())
    assert [one.value.permanent for one in (referring, parted, unfilled, checked)] == [False, False, False, True]
    assert referring.value.hint.startswith("send it again once there is the row that it refers to")


def test_the_drivers_own_error_shows_no_payload(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    writer.write(activity("warm-up"))
    database.run("DROP TABLE activities")
    secret = activity(data="typed")
    with pytest.raises(DBAPIError) as caught:
        writer.write(secret)
    assert "typed" not in "".join(traceback.format_exception(caught.value))


def test_errors_travel_between_processes() -> None:
    sent = (IdCollision("m", "h", ("k",), ("d",)), Rejected("m", "h", permanent=False), StillUploading("m", "h", 1.0))
    for error in sent:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
        assert (type(again), str(again), vars(again)) == (type(error), "m", vars(error))


SWALLOW = {
    "postgresql": (
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER swallow BEFORE INSERT ON activities FOR EACH ROW EXECUTE FUNCTION swallow()",
    ),
    "sqlite": ("CREATE TRIGGER swallow BEFORE INSERT ON activities BEGIN SELECT RAISE(IGNORE); END",),
}


@pytest.mark.parametrize("database", ["postgresql", "sqlite"], indirect=True)
def test_a_trigger_that_swallows_rows_is_no_success(database: Database) -> None:
    database.run(*SWALLOW[database.name])
    writer = ActivityWriter(database.engine)
    with pytest.raises(Unavailable, match="no row of that key"):
        writer.write(activity())
    with pytest.raises(Unavailable):
        writer.write_batch([activity(), activity("b")])
