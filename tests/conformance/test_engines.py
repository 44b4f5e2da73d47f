"""Both engines find what the server's own unique index would refuse, for every kind of key and every collation."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupaudit.config import TableSettings
from tests.conformance.databases import DATABASES, Col, Database, Stored, Tab
from tests.conformance.oracle import key_text
from tests.conformance.running import Content, agreed, findings_of, report_of, scanned
from tests.conformance.strategies import FAMILIES, OF_TYPE
from tests.conformance.test_scan import fingerprints_of

# There every row has a number of its own, along which the snapshot engine of MySQL and MariaDB reads.
STORED = "primary key"
SERVERS = [database for database in DATABASES if "snapshot" in database.engines]
KEYS: list[Any] = [
    pytest.param(database, column, id=f"{database.name}-{column.collation or 'default' if text else column.type}")
    for database in SERVERS
    for text, columns in (
        (True, [Col("id", "text", collation) for collation in database.collations(STORED)]),
        (False, [Col("id", "integer"), Col("id", "real"), Col("id", "bytes")]),
    )
    for column in columns
]
# Letters that some collation joins with others, ignores, or expands.
_LETTERS = st.text(
    st.sampled_from(" \t\n'\\%_aAàÀáÁäÄåÅæÆbBßẞeEéÉiIıİoOøØœŒsſzž0١１Ａａ\u0301\u200b\u00ad\u3000漢😀"), max_size=4
)


def _pool(database: Database, column: Col) -> st.SearchStrategy[Stored]:
    known: list[Stored] = [*OF_TYPE[column.type], *(value for family in FAMILIES for value in family)]
    kinds = {"text": str, "integer": int, "real": float, "bytes": bytes}
    possible = [
        value for value in known if type(value) is kinds[column.type] and database.can_store(value, column, STORED)
    ]
    drawn: dict[str, st.SearchStrategy[Stored]] = {
        "text": st.one_of(_LETTERS, st.text(max_size=3)).filter(lambda text: database.can_store(text, column, STORED)),
        "integer": st.integers(-(2**63), 2**63 - 1),
        "real": st.floats(allow_nan=False, allow_infinity=False),
        "bytes": st.binary(max_size=3),
    }
    return st.one_of(st.sampled_from(possible), drawn[column.type])


@st.composite
def keys(draw: st.DrawFn, database: Database, column: Col) -> list[tuple[Stored, ...]]:
    """Draw keys of one or two parts, NULL among them, of which many repeat."""
    pool = draw(st.lists(_pool(database, column), min_size=1, max_size=12))
    parts = [st.sampled_from([*pool, None])] * draw(st.integers(1, 2))
    return draw(st.lists(st.tuples(*parts), max_size=24))


def by_unique_index(database: Database, columns: Sequence[Col], rows: Sequence[tuple[Stored, ...]]) -> list[list[int]]:
    """Return the classes of rows that a unique index would hold to be one, by its own word on every pair."""
    classes: list[list[int]] = []
    for number, row in enumerate(rows):
        if None in row:
            continue
        for members in classes:
            if database.equal(columns, rows[members[0]], row, STORED):
                members.append(number)
                break
        else:
            classes.append([number])
    return classes


def check(database: Database, column: Col, rows: list[tuple[Stored, ...]]) -> None:
    width = len(rows[0]) if rows else 1
    columns = tuple(Col(f"{column.name}{part}", column.type, column.collation) for part in range(width))
    table = Tab("t", columns, tuple(rows))
    with tempfile.TemporaryDirectory() as folder:
        url = database.create(Path(folder), table, STORED)
        wanted = {"t": TableSettings(key=tuple(part.name for part in columns))}
        report = agreed(database.engines, url, wanted, checks=("duplicate_ids",))
        (strategy,) = {row["strategy"] for row in report["coverage"]}
        assert strategy == "snapshot"
        stored = database.stored(url, table, STORED)
        auto = report_of(scanned(url, wanted, checks=("duplicate_ids",)))
    assert fingerprints_of(auto, "duplicate_ids") == fingerprints_of(report, "duplicate_ids")
    compare(report, columns, by_unique_index(database, columns, stored), stored)


def compare(
    report: Content, columns: Sequence[Col], classes: list[list[int]], stored: Sequence[tuple[Stored, ...]]
) -> None:
    """Assert that each class of several rows is one finding, called by the key of one of its rows."""
    assert report["complete"]
    names = [column.name for column in columns]
    texts = [key_text(columns, dict(zip(names, row, strict=True))) for row in stored]
    said = {key_of(finding): finding["count"] for finding in findings_of(report, "duplicate_ids")}
    repeated = [members for members in classes if len(members) > 1]
    assert len(said) == len(repeated)
    for members in repeated:
        (key,) = said.keys() & {texts[number] for number in members}
        assert said[key] == len(members)
    totals = report["summary"]["tables"]["db.t"]
    assert totals["duplicate_ids"] == len(repeated)
    assert totals["surplus_rows"] == sum(len(members) - 1 for members in repeated)


def key_of(finding: Content) -> str:
    return json.dumps([finding["key"], finding["key_raw"]], sort_keys=True)


@pytest.mark.parametrize(("database", "column"), KEYS)
@settings(max_examples=8)
@given(data=st.data())
def test_both_engines_find_what_a_unique_index_would_refuse(
    database: Database, column: Col, data: st.DataObject
) -> None:
    check(database, column, data.draw(keys(database, column)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("database", "column"), KEYS)
@settings(max_examples=80)
@given(data=st.data())
def test_both_engines_find_it_in_many_tables(database: Database, column: Col, data: st.DataObject) -> None:
    check(database, column, data.draw(keys(database, column)))


@pytest.mark.parametrize("database", SERVERS, ids=lambda database: database.name)
def test_every_two_texts_of_the_lists_are_told_apart_as_the_index_does(database: Database, tmp_path: Path) -> None:
    for collation in database.collations(STORED):
        column = Col("id0", "text", collation)
        texts = dict.fromkeys(
            value
            for value in (*OF_TYPE["text"], *(value for family in FAMILIES for value in family))
            if isinstance(value, str) and database.can_store(value, column, STORED)
        )
        check(database, Col("id", "text", collation), [(text,) for text in texts])


@pytest.mark.parametrize("database", SERVERS, ids=lambda database: database.name)
def test_many_rows_come_in_batches_and_none_is_lost_between_them(database: Database, tmp_path: Path) -> None:
    ids = [f"activity_{number:06}" for number in range(20_000)]
    repeated = [*ids[::97], *ids[::97], *ids[5:20_000:1009]]
    rows = tuple((key, number) for number, key in enumerate([*ids, *repeated]))
    url = database.create(tmp_path, Tab("t", (Col("id"), Col("n", "integer")), rows), STORED)
    wanted = {"t": TableSettings(key=("id",))}
    report = agreed(database.engines, url, wanted, max_findings=10_000)
    counts = {finding["key"]["id"]: finding["count"] for finding in findings_of(report, "duplicate_ids")}
    expected = {key: 1 + repeated.count(key) for key in set(repeated)}
    assert counts == expected
    assert report["summary"]["tables"]["db.t"]["rows"] == len(rows)
