"""Whatever the collation, the plan's prediction of who collides equals what the server says when the index is built."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupaudit.config import TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.migrate.planning import PlanRequest, plan_migration
from dedupaudit.progress import SILENT
from dedupaudit.repair.opening import database_of
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import Engine, Reading
from dedupaudit.sources.tables.resolve import resolve
from tests.repair.databases import MARIADB, POSTGRESQL, SQLITE, Database
from tests.repair.repairing import ALL, Repairing

REFUSED = (psycopg2.IntegrityError, pymysql.err.IntegrityError, sqlite3.IntegrityError)

TYPES: dict[str, tuple[str, ...]] = {
    "sqlite": ("TEXT", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "BLOB"),
    "postgresql": (
        'text COLLATE "C"',
        "text",
        "varchar(20) COLLATE insensitive",
        "text COLLATE without_accents",
        "text COLLATE without_punctuation",
        'char(20) COLLATE "C"',
        "citext",
    ),
    "mariadb": (
        *(
            f"VARCHAR(20) COLLATE utf8mb4_{name}"
            for name in (
                "general_ci",
                "general_nopad_ci",
                "unicode_ci",
                "unicode_nopad_ci",
                "uca1400_ai_ci",
                "uca1400_as_cs",
                "uca1400_nopad_ai_ci",
                "bin",
                "nopad_bin",
            )
        ),
        "CHAR(20) COLLATE utf8mb4_general_ci",
        "VARBINARY(80)",
    ),
}
"""Types and collations of a key column. PostgreSQL's nondeterministic ones are made with the table."""

COLLATIONS = {
    "without_accents": "und-u-ks-level1",
    "without_punctuation": "und-u-ka-shifted-ks-level2",
}

ANYTHING = PlanRequest("t", ALL)

KEYS = (
    *("activity_1", "Activity_1", "ACTIVITY_1", "activity_1 ", "activity_1  ", " activity_1", "activity-1"),
    *(
        "\uff41ctivity_1",
        "\u00e1ctivity_1",
        "a\u0301ctivity_1",
        "\u00c1CTIVITY_1",
        "activity\u00a01",
        "activity_\u0661",
    ),
    *(
        "stra\u00dfe",
        "strasse",
        "STRASSE",
        "\u0130d",
        "id",
        "ID",
        "\u0131d",
        "\u017fd",
        "sd",
        "\ufb01",
        "fi",
        "\u2460",
        "1",
    ),
    *(
        "",
        " ",
        "  ",
        "\t",
        "\u3000",
        "\u200b",
        "a\u200b",
        "a",
        "A",
        "\U0001f600",
        "\U0001f601",
        "\u212a",
        "k",
        "K",
        None,
    ),
)
"""Case, trailing and leading space, accents, full width, ligatures, blanks, what is ignorable, and NULL."""


OTHERS: dict[str, dict[str, tuple[object, ...]]] = {
    "sqlite": {
        "": (1, 1.0, "1", b"1", "1.0", 0.0, -0.0, "", b"", 9007199254740993, 9007199254740992.0, None),
        "NUMERIC": (1, 1.0, "1", "1.0", b"1", " 1", "1e0", "0x1", 0.1, "0.1", None),
        "INTEGER": (1, "1", 1.5, "x", b"x", "X", 2**63 - 1, "9223372036854775807", None),
        "REAL": (1, 1.0, "1", 9007199254740993, 9007199254740992, None),
    },
    "postgresql": {
        "numeric": ("1", "1.0", "1.00", "0", "-0", "NaN", "nan", "1e2", "100", None),
        "double precision": ("0", "-0", "NaN", "nan", "Infinity", "1e308", "0.1", "0.10000000000000001", None),
        "timestamptz": ("2025-12-01 00:00+00", "2025-12-01 08:00+08", "2025-12-01 00:00:00.000001+00", "infinity"),
        "interval": ("1 day", "24 hours", "1 mon", "30 days", "720 hours"),
        "jsonb": ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', '{"a": 1.0, "b": 2}', "1", "1.0", "null", None),
        "bytea": ("\\x61", "a", "A", "", "\\x00"),
        "bit varying(8)": ("1", "10", "01", "", "1"),
        "inet": ("10.0.0.1", "10.0.0.1/32", "10.0.0.1/8", "::1", "0:0::1"),
        "text[]": ("{a,b}", "{a,B}", '{"a","b"}', "{}", "{NULL}", "{NULL}", None),
        "uuid": ("00000000-0000-0000-0000-00000000000a", "{00000000-0000-0000-0000-00000000000A}", None),
    },
    "mariadb": {
        "DECIMAL(10,2)": ("1", "1.00", "0", "-0", None),
        "DOUBLE": ("0", "-0", "0.1", "0.10000000000000001", "1e308", None),
        "FLOAT": ("16777216", "16777217", "16777218", None),
        "DATETIME": ("2025-12-01 00:00:00", "2025-12-01 00:00:00.4", "2025-12-01", None),
        "DATETIME(3)": ("2025-12-01 00:00:00", "2025-12-01 00:00:00.4", "2025-12-01 00:00:00.400", None),
        "ENUM('a', 'b') COLLATE utf8mb4_general_ci": ("a", "A", "b", None),
        "BIT(8)": (1, 2, 1, None),
        "BIGINT UNSIGNED": ("18446744073709551615", "1", "1.0", None),
        "BINARY(4)": (b"a", b"a\0", b"a ", b"", None),
        "CHAR(10) COLLATE utf8mb4_nopad_bin": ("a", "a ", "a  ", "A", "", " ", None),
    },
}
"""Types without a collation of their own, with what may be equal there."""


@dataclass(frozen=True)
class Stored:
    """A table with a numbered row a key."""

    types: tuple[str, ...]
    keys: tuple[tuple[object, ...], ...]
    engine: Engine

    @property
    def columns(self) -> tuple[str, ...]:
        """The key's columns."""
        return tuple(f"k{number}" for number in range(len(self.types)))

    def make(self, database: Database) -> None:
        """Create the table, and fill it."""
        if database.name == "postgresql":
            for name, locale in COLLATIONS.items():
                database.run(
                    f"CREATE COLLATION {name} (provider = icu, locale = '{locale}', deterministic = false)",
                )
            database.run("CREATE EXTENSION IF NOT EXISTS citext SCHEMA public")
        self.create(database, "t")
        database.insert("t", self.rows())

    def create(self, database: Database, name: str) -> None:
        """Create a table of this shape."""
        columns = [f"{column} {declared}" for column, declared in zip(self.columns, self.types, strict=True)]
        database.run(database.table(name, ["rid BIGINT NOT NULL PRIMARY KEY", *columns]))

    def rows(self) -> list[tuple[object, ...]]:
        """Return the rows, each with its number."""
        return [(number, *key) for number, key in enumerate(self.keys)]


@st.composite
def tables(draw: st.DrawFn, database: Database) -> Stored:
    width = draw(st.integers(1, 2))
    types = draw(st.tuples(*[st.sampled_from(TYPES[database.name])] * width))
    # Of few different values, so that every second row meets another.
    values = draw(st.lists(st.sampled_from(KEYS), min_size=2, max_size=8 if width == 1 else 4, unique=True))
    keys = draw(st.lists(st.tuples(*[st.sampled_from(values)] * width), min_size=0, max_size=12))
    engine: Engine = draw(st.sampled_from(("auto", "pushdown", "snapshot")))
    return Stored(types, tuple(keys), engine)


def predicted(repairing: Repairing, engine: Engine) -> list[list[int]]:
    """Return the numbers of the rows of each key that occurs more than once, as a plan finds them."""
    settings_ = repairing.settings
    source = open_source(database_of(settings_), Interrupt(), SILENT, Reading(engine))
    try:
        groups: list[list[int]] = []
        left = 0
        for row in source.duplicate_rows(resolve(source, "t", settings_)):
            if left == 0:
                groups.append([])
                left = row.n
            left -= 1
            groups[-1].append(int(str(row.locator[0])))
        assert left == 0
        return sorted(sorted(group) for group in groups)
    finally:
        source.close()


def builds(database: Database, columns: Sequence[str], table: str = "t") -> bool:
    """Build the unique index by the plain statement that everybody types; say whether the server did."""
    try:
        database.run(f"CREATE UNIQUE INDEX {table}_key ON {table} ({', '.join(columns)})")
    except REFUSED:
        return False
    return True


def refused_one_by_one(database: Database, stored: Stored) -> list[int]:
    """Insert the rows into a table that has the index; return the numbers of those that the server refused."""
    stored.create(database, "twin")
    assert builds(database, stored.columns, "twin")
    refused = []
    for row in stored.rows():
        try:
            database.insert("twin", [row])
        except REFUSED:
            refused.append(int(str(row[0])))
    return refused


def holds(database: Database, stored: Stored, *, planned: bool = True) -> None:
    """Compare the prediction with what the server does, in three ways; with `planned`, a whole plan's too."""
    with TemporaryDirectory(prefix="dedupaudit-test-") as folder:
        repairing = Repairing(database, Path(folder), {"t": TableSettings(key=stored.columns)})
        stored.make(database)
        groups = predicted(repairing, stored.engine)
        if planned:
            found = plan_migration(repairing.settings, ANYTHING, interrupt=Interrupt(), progress=SILENT).header.found
            assert found.groups == len(groups)
            assert sum(found.rules.values()) + sum(found.left.values()) == len(groups)
        # The rows that the finished index would have refused, had it been there from the beginning.
        assert refused_one_by_one(database, stored) == sorted(number for group in groups for number in group[1:])
        if builds(database, stored.columns):
            assert groups == []
            return
        assert groups != []
        gone = ", ".join(str(number) for group in groups for number in group[1:])
        database.run(f"DELETE FROM t WHERE rid IN ({gone})")
        assert builds(database, stored.columns)


every_database = pytest.mark.parametrize("database", (SQLITE, POSTGRESQL, MARIADB), ids=lambda one: str(one.name))


@every_database
@settings(max_examples=25)
@given(data=st.data())
def test_who_collides_is_predicted_as_the_server_judges(database: Database, data: st.DataObject) -> None:
    holds(database, data.draw(tables(database)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@every_database
@settings(max_examples=400)
@given(data=st.data())
def test_who_collides_is_predicted_as_the_server_judges_many_more_times(
    database: Database, data: st.DataObject
) -> None:
    holds(database, data.draw(tables(database)))


@every_database
def test_every_type_is_judged_as_the_server_does(database: Database) -> None:
    for declared in TYPES[database.name]:
        holds(database, Stored((declared,), tuple((key,) for key in KEYS), "auto"))


@every_database
@pytest.mark.parametrize("engine", ["pushdown", "snapshot"])
def test_numbers_times_and_bytes_are_judged_as_the_server_does(database: Database, engine: Engine) -> None:
    for declared, values in OTHERS[database.name].items():
        # Twice: a value equals itself too.
        holds(database, Stored((declared,), tuple((value,) for value in values * 2), engine), planned=False)
        holds(database, Stored((declared,), tuple((value,) for value in values), engine), planned=False)
