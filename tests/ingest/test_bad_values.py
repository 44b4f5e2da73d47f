"""What can never be stored is refused before the database could cut it, change it, or fail over it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine, event

from dedupaudit.ingest import ActivityWriter, IdCollision, Rejected, RowWriter, Stored, Table
from tests.ingest.databases import Database
from tests.ingest.events import activity, stored_ids

LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]

NEVER: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"event_id": None}, "id is NULL"),
    "empty id": ({"event_id": ""}, "id is empty or blank"),
    "blank id": ({"event_id": " \t\u3000"}, "id is empty or blank"),
    "id is a number": ({"event_id": 1766557428498}, "id is no text, but int"),
    "id is bytes": ({"event_id": b"activity_1"}, "id is no text, but bytes"),
    "half a surrogate pair": ({"event_id": "a\ud83d"}, "id has half of a surrogate pair"),
    "no device": ({"device_id": None}, "device_id is NULL"),
    "blank device": ({"device_id": "  "}, "device_id is empty or blank"),
    "no type": ({"kind": None}, "type is NULL"),
    "no timestamp": ({"timestamp": None}, "timestamp is NULL"),
    "timestamp of text": ({"timestamp": "1766557428498"}, "timestamp is no integer, but str"),
    "timestamp of half": ({"timestamp": 1.5}, "timestamp is no integer, but float"),
    "timestamp of truth": ({"timestamp": True}, "timestamp is no integer, but bool"),
    "timestamp too large": ({"timestamp": 2**63}, "timestamp is out of range"),
    "timestamp too small": ({"timestamp": -(2**63) - 1}, "timestamp is out of range"),
    "timestamp huge": ({"timestamp": 10**5000}, "timestamp is out of range"),
    "not a number": ({"data": {"secret": math.nan}}, "data cannot be written as JSON: NaN, Infinity"),
    "infinity": ({"data": [math.inf]}, "data cannot be written as JSON: NaN, Infinity"),
    "huge number": ({"data": 10**5000}, "data cannot be written as JSON"),
    "no JSON": ({"data": {"secret": {1, 2}}}, "data cannot be written as JSON: a type that JSON has not"),
    "in itself": ({"data": LOOP}, "data cannot be written as JSON: it is too deep"),
    "too deep": ({"data": DEEP}, "data cannot be written as JSON: it is too deep"),
    "surrogate in JSON": ({"data": {"k": "secret\udc00"}}, "data has half of a surrogate pair"),
}


def test_what_no_database_takes_is_rejected_by_its_column(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    for case, (changes, said) in NEVER.items():
        with pytest.raises(Rejected, match="activities cannot take this event") as caught:
            writer.write(activity(**changes))
        assert said in caught.value.message, case
        assert "secret" not in caught.value.message, "a payload is in no message"
    assert stored_ids(database) == []


def test_what_no_database_takes_does_not_stop_a_batch(database: Database) -> None:
    sent = [activity(**changes) for changes, _said in NEVER.values()]
    outcomes = ActivityWriter(database.engine).write_batch([*sent, activity("fine")])
    assert [type(one) for one in outcomes] == [Rejected] * len(NEVER) + [Stored]
    assert stored_ids(database) == ["fine"]


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_the_columns_length_is_in_characters(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    assert not writer.write(activity("😀" * 255)).duplicate
    assert writer.write(activity("😀" * 255)).duplicate
    for much in ("x" * 256, "😀" * 256, "x" * 255 + " ", "x" * 10_000_000):
        with pytest.raises(Rejected, match=f"id has {len(much)} characters, and its column takes 255") as caught:
            writer.write(activity(much))
        assert len(caught.value.message) < 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_would_take_any_length_but_its_declared_one_holds(database: Database) -> None:
    database.run("CREATE TABLE t (id VARCHAR(5) PRIMARY KEY, x NVARCHAR (3))")
    writer = RowWriter(database.engine, Table(("t",)))
    assert not writer.write({"id": "12345", "x": "123"})
    with pytest.raises(Rejected, match="id has 6 characters"):
        writer.write({"id": "123456"})
    with pytest.raises(Rejected, match="x has 4 characters"):
        writer.write({"id": "a", "x": "1234"})


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_id_that_sqlite_would_turn_into_a_number_is_rejected(database: Database) -> None:
    """STRING is a number's type to SQLite: 0123 and 123 would be one ID."""
    database.run("CREATE TABLE t (id STRING PRIMARY KEY)")
    writer = RowWriter(database.engine, Table(("t",)))
    for number in ("0123", "1e3", " 7"):
        with pytest.raises(Rejected, match="reads as a number"):
            writer.write({"id": number})
    assert not writer.write({"id": "activity_0123"})


def test_nul_is_kept_or_rejected(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    if database.name == "postgresql":
        with pytest.raises(Rejected, match="id has a NUL character"):
            writer.write(activity("a\0b"))
        with pytest.raises(Rejected, match="data has a NUL character, which jsonb does not store"):
            writer.write(activity(data={"k\0": 1}))
    else:
        assert [writer.write(activity("a\0b", data=["\0"])).duplicate for _ in range(2)] == [False, True]
        assert not writer.write(activity("a")).duplicate
    harmless = activity("c", data={"k": "\\u0000", "\\": "\\\\u0000"})
    assert [writer.write(harmless).duplicate for _ in range(2)] == [False, True]


def test_megabytes_are_stored_once(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    large = activity(data="é'\n" * 1_000_000)
    assert [writer.write(large).duplicate for _ in range(2)] == [False, True]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_postgresql_finds_wrong_itself_is_rejected(database: Database) -> None:
    database.run("CREATE TABLE t (id text PRIMARY KEY, n numeric(4,2), day date, one text)")
    writer = RowWriter(database.engine, Table(("t",)))
    for values in ({"n": 1000}, {"day": "2025-13-01"}, {"one": "x" * 9, "n": "one"}):
        with pytest.raises(Rejected, match="t refused this event") as caught:
            writer.write({"id": "a", **values})
        assert caught.value.__cause__ is not None
    database.run("CREATE TABLE wide (id text PRIMARY KEY)")
    with pytest.raises(Rejected):
        RowWriter(database.engine, Table(("wide",))).write({"id": "".join(map(chr, range(256, 9000)))})


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_server_that_is_not_strict_cuts_nothing(database: Database) -> None:
    """Its session would store a short text, a zero and an empty enum, with a warning that nobody reads."""
    engine = database.new_engine()

    @event.listens_for(engine, "connect")
    def lax(raw: Any, _record: Any) -> None:
        with raw.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'ANSI_QUOTES'")

    database.run("CREATE TABLE t (id varchar(5) PRIMARY KEY, b varbinary(2), e enum('a'), d decimal(3,1))")
    writer = RowWriter(engine, Table(("t",)))
    for values in ({"id": "123456"}, {"id": "1", "b": b"123"}, {"id": "1", "e": "b"}, {"id": "1", "d": 123}):
        with pytest.raises(Rejected):
            writer.write(values)
        assert isinstance(writer.write_batch(tuple(values), [tuple(values.values())] * 2)[0], Rejected)
    assert not writer.write({"id": "1"})
    assert stored_ids(database, "t") == ["1"]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT @@sql_mode").scalar() == "ANSI_QUOTES", "the application's own again"
    engine.dispose()


@pytest.fixture
def small_packets(database: Database) -> Iterator[None]:
    """Make the server take statements of a megabyte; connections that are open keep what they have."""
    before = database.ask("SELECT @@GLOBAL.max_allowed_packet")[0][0]
    database.run("SET GLOBAL max_allowed_packet = 1048576")
    yield
    database.run(f"SET GLOBAL max_allowed_packet = {before}")


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
@pytest.mark.usefixtures("small_packets")
def test_more_than_a_packet_is_rejected_before_the_server_hangs_up(database: Database) -> None:
    engine = database.new_engine()
    writer = ActivityWriter(engine)
    for much in ("x" * 1_100_000, "é" * 550_000, "'" * 300_000 + "\\" * 300_000):
        with pytest.raises(Rejected, match="max_allowed_packet"):
            writer.write(activity(data=much))
    batch = [activity(f"a{number}", data="é'" * 150_000) for number in range(3)]
    assert len(writer.write_batch(batch)) == 3
    assert stored_ids(database) == ["a0", "a1", "a2"]
    engine.dispose()


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_fixed_lengths_keep_no_spaces_at_the_end(database: Database) -> None:
    database.run("CREATE TABLE t (id char(5) PRIMARY KEY)")
    writer = RowWriter(database.engine, Table(("t",)))
    assert [writer.write({"id": "ab"}) for _ in range(2)] == [False, True]
    with pytest.raises(Rejected, match="ends with a space"):
        writer.write({"id": "ab "})


def test_a_space_at_the_end_makes_another_text_where_the_length_is_not_fixed(database: Database) -> None:
    # "character varying" is no "character"; and SQLite pads neither.
    database.run("CREATE TABLE t (id char(5) PRIMARY KEY, v varchar(5), c char(5))")
    writer = RowWriter(database.engine, Table(("t",)))
    writer.write({"id": "ab", "v": "x ", "c": "y"})
    assert writer.write({"id": "ab", "v": "x ", "c": "y"})
    with pytest.raises(IdCollision) as collision:
        writer.write({"id": "ab", "v": "x", "c": "y"})
    assert collision.value.differs == ("v",)
    if database.name == "sqlite":
        writer.write({"id": "cd", "v": "x", "c": "y "})
        with pytest.raises(IdCollision):
            writer.write({"id": "cd", "v": "x", "c": "y"})


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_what_mariadb_would_turn_into_something_else_is_rejected(database: Database) -> None:
    database.run("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, b binary(4), d double, at datetime)")
    writer = RowWriter(database.engine, Table(("t",)))
    refused: list[dict[str, Any]] = [{"b": b"ab"}, {"d": math.nan}, {"d": math.inf}, {"at": datetime.now(UTC)}]
    for values in ({"id": 0}, *({"id": 1} | one for one in refused)):
        with pytest.raises(Rejected, match="t cannot take this event"):
            writer.write(values)
    assert [writer.write({"id": 1, "b": b"abcd", "d": 0.5}) for _ in range(2)] == [False, True]


def test_what_is_many_values_is_rejected_and_stops_no_batch(database: Database) -> None:
    """A driver would fail over the whole batch, or write the parts of it into the statement."""
    database.run("CREATE TABLE t (id varchar(9) PRIMARY KEY, v numeric(9))")
    writer = RowWriter(database.engine, Table(("t",)))
    outcomes = writer.write_batch(("id", "v"), [("a", {"x": 1}), ("b", [1]), ("c", (1, 2)), ("d", {1}), ("e", 1)])
    assert [one if isinstance(one, bool) else type(one) for one in outcomes] == [Rejected] * 4 + [False]


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_characters_that_a_connection_has_not_are_rejected_and_stop_no_batch(database: Database) -> None:
    engine = create_engine(f"{database.engine.url.render_as_string(hide_password=False)}?charset=latin1")
    writer = ActivityWriter(engine)
    with pytest.raises(Rejected, match="encoding") as caught:
        writer.write(activity("活动"))
    assert not caught.value.permanent, "with another connection it can be stored"
    outcomes = writer.write_batch([activity("活动"), activity("活动"), activity("é")])
    assert [type(one) for one in outcomes] == [Rejected, Rejected, Stored]
    engine.dispose()


def test_columns_that_are_not_there_are_named(database: Database) -> None:
    writer = RowWriter(database.engine, Table(("activities",)))
    with pytest.raises(Rejected, match="activities has no column nothing"):
        writer.write({"id": "a", "nothing": 1})
    with pytest.raises(Rejected, match="id is part of the key"):
        writer.write({"device_id": "d"})
    with pytest.raises(Rejected, match="not null"):
        writer.write({"id": "a"})


def test_messages_show_hostile_ids_and_no_payload(database: Database) -> None:
    writer = ActivityWriter(database.engine)
    hostile = "\x1b[31m\nreceived activity_2"
    writer.write(activity(hostile, data="secret"))
    with pytest.raises(IdCollision) as caught:
        writer.write(activity(hostile, data="another secret"))
    assert r"\x1b[31m\nreceived" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
