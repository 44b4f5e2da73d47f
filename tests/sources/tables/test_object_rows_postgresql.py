"""What PostgreSQL's rows say of their objects: columns of any type, odd collations and encodings, keys by an index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import combinations

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.sources.tables.object_rows import KEYS, bytes_of
from dedupaudit.sources.tables.protocol import Undecodable, Value
from tests.conformance.postgresql import Postgresql
from tests.conformance.strategies import OF_TYPE
from tests.conformance.tables import Col, Tab
from tests.servers.postgresql import PostgresqlServer
from tests.sources.tables.opened import all_rows, opened

NAME = "object_rows"
TEXTS = (
    *("", " ", "\t \n", "\u3000", "\u00a0a", " a", "\u2009", "\x1f", "\x7f", "!", "a", "A", "a ", "_a", "-", "/a", "0"),
    *("it's", '"', "\\", "a\nb", "%", "+", "a//b", "../x", "{a,b}", "NULL", "😀", "é", "e\u0301", "\u1680k", "\u205f"),
    *("k" * 1023, "\ufeff", "\x85", "\x86", "Z", "~", "\U0010ffff", "\u200b", "é" * 511),
)  # fmt: skip
KEYS_ASKED = (*TEXTS[::2], "A", "a\0b", "\udcff", "\ud800", "missing")


@pytest.fixture
def database(postgresql: PostgresqlServer) -> Iterator[str]:
    yield postgresql.create_database(NAME)
    postgresql.drop_database(NAME)


def fill(server: PostgresqlServer, column: str, texts: tuple[str, ...], name: str = NAME) -> None:
    server.execute(f"CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, oss_key {column})", database=name)
    server.execute("CREATE INDEX by_key ON t (oss_key)", database=name)
    with closing(server.connect(name)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        connection.set_client_encoding("UTF8")
        for text in (*texts, None):
            cursor.execute("INSERT INTO t (oss_key) VALUES (%s)", (text,))


def is_wanted(value: Value, keys: frozenset[bytes]) -> bool:
    if isinstance(value, Undecodable):
        return value.raw in keys
    return not isinstance(value, str) or not value.strip() or value.encode() in keys


@pytest.mark.parametrize(
    "column",
    [
        "text",
        'text COLLATE "C"',
        'text COLLATE "en-US-x-icu"',
        'varchar(1100) COLLATE "und-x-icu"',
        "text COLLATE insensitive",
        "char(1100)",
        "named",
    ],
)
def test_rows_with_certain_keys_and_those_without_any_are_found_once_each(
    postgresql: PostgresqlServer, database: str, column: str
) -> None:
    locale = "provider = icu, locale = 'und-u-ks-level2', deterministic = false"
    postgresql.execute(f"CREATE COLLATION insensitive ({locale})", database=NAME)
    postgresql.execute("CREATE DOMAIN named AS text CHECK (length(VALUE) < 2000)", database=NAME)
    fill(postgresql, column, TEXTS)
    raw = frozenset(one for key in KEYS_ASKED if (one := bytes_of(key)) is not None)
    with opened(database) as (source, table):
        everything = all_rows(source, table)
        found = all_rows(source, table, keys=KEYS_ASKED)
        assert len(everything) == len(TEXTS) + 1
        assert {row for row in everything if is_wanted(row.object_key, raw)} == set(found)
        assert len(found) == len(set(found))
        assert {row.object_key for row in all_rows(source, table, keys=[])} == {
            row.object_key for row in everything if is_wanted(row.object_key, frozenset())
        }


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP"])
def test_keys_are_found_in_databases_of_other_encodings(postgresql: PostgresqlServer, encoding: str) -> None:
    url = postgresql.create_database(NAME, f"ENCODING '{encoding}' LOCALE 'C'")
    codec = {"LATIN1": "latin-1", "WIN1252": "cp1252", "EUC_JP": "euc_jp"}.get(encoding, "utf-8")
    texts = tuple(text for text in TEXTS if text == text.encode(codec, "ignore").decode(codec) and text != "\x7f")
    try:
        fill(postgresql, "text", texts)
        keys = [*KEYS_ASKED, "日本", "é"]
        if encoding == "SQL_ASCII":
            postgresql.execute("INSERT INTO t (oss_key) VALUES (convert_from('\\x61ff', 'SQL_ASCII'))", database=NAME)
            keys.append("a\udcff")
        raw = frozenset(one for key in keys if (one := bytes_of(key)) is not None)
        with opened(url) as (source, table):
            everything, found = all_rows(source, table), all_rows(source, table, keys=keys)
        assert {row for row in everything if is_wanted(row.object_key, raw)} == set(found)
        assert (encoding == "SQL_ASCII") == any(isinstance(row.object_key, Undecodable) for row in found)
    finally:
        postgresql.drop_database(NAME)


@pytest.mark.parametrize("column", ["text", 'varchar(99) COLLATE "C"', 'text COLLATE "en-US-x-icu"', "char(20)"])
def test_few_keys_are_looked_up_in_an_index_even_without_statistics(
    postgresql: PostgresqlServer, database: str, column: str
) -> None:
    fill(postgresql, column, ("a",))
    postgresql.execute(
        "INSERT INTO t (oss_key) SELECT 'key ' || n FROM generate_series(1, 3000) AS n; INSERT INTO t DEFAULT VALUES",
        database=NAME,
    )
    statements: list[str] = []
    with opened(database) as (source, table):
        session = source._session  # type: ignore[attr-defined]  # the source's own
        batches = session.batches

        def explained(statement: str, most: int) -> object:
            statements.extend(str(row[0]) for row in session.rows(f"EXPLAIN {statement}"))
            return batches(statement, most)

        session.batches = explained
        assert len(all_rows(source, table, keys=["key 7", "missing"])) == 3
    assert [line for line in statements if "Index Cond" in line]
    assert not [line for line in statements if "Seq Scan" in line]


def test_more_keys_than_a_statement_takes_repeat_no_row(postgresql: PostgresqlServer, database: str) -> None:
    keys = [f"{letter}{number}" for number in range(KEYS // 2 + 3) for letter in "kK "]
    fill(postgresql, "text", (*keys, "", " "))
    with opened(database) as (source, table):
        found = all_rows(source, table, keys=[*keys, *keys])
    assert sorted(row.key[0] for row in found if isinstance(row.key[0], int)) == list(range(1, len(keys) + 4))


def test_values_of_each_type_travel_as_they_are(postgresql: PostgresqlServer, database: str) -> None:
    postgresql.execute(
        "CREATE TYPE state AS ENUM ('completed', 'failed');"
        "CREATE TABLE t (id uuid, part int, status state, oss_key bytea, oss_url text, file_size numeric, etag char(8),"
        " created_at timestamp, updated_at timestamptz, shown bool, data jsonb, ratio float8, at date,"
        " PRIMARY KEY (part, id));"
        "INSERT INTO t VALUES ('00000000-0000-0000-0000-00000000000A', 1, 'completed', '\\x00ff', 'http://x/y', 12.00,"
        " 'AB', '2025-12-24 10:00', '2025-12-24 10:00+01', true, '{\"a\": 1}', -0.0, '0044-03-15 BC');"
        "INSERT INTO t (id, part, created_at) VALUES ('00000000-0000-0000-0000-00000000000b', 2, 'infinity')",
        database=NAME,
    )
    settings = TableSettings(key=("id", "part"), where="shown")
    with opened(database, settings) as (source, table):
        first, second = sorted(all_rows(source, table, ("data", "ratio", "at", "shown")), key=lambda row: row.locator)
        assert all_rows(source, table, keys=["x"])
    identity = "00000000-0000-0000-0000-00000000000"
    assert first.judged is True
    assert second.judged is False
    assert isinstance(first.token, int)
    assert first[2:] == (
        *((identity + "a", 1), (1, identity + "a"), "completed", b"\x00\xff", "http://x/y", "12", "AB"),
        *("2025-12-24 10:00:00", "2025-12-24 09:00:00+00", ('{"a": 1}', 0.0, "0044-03-15 BC", "true")),
    )  # fmt: skip
    assert second[2:] == (
        *((identity + "b", 2), (2, identity + "b"), None, None, None, None, None),
        *("infinity", None, (None,) * 4),
    )  # fmt: skip


def test_without_a_primary_key_rows_are_named_by_their_place_and_a_view_names_none(
    postgresql: PostgresqlServer, database: str
) -> None:
    fill(postgresql, "text", ("k",))
    postgresql.execute("CREATE VIEW v AS SELECT * FROM t", database=NAME)
    with opened(database) as (source, table):
        assert all_rows(source, table, keys=["k"])[0].locator == ("(0,1)",)
    with opened(database, name="v") as (source, table):
        assert all_rows(source, table, keys=["k"])[0].locator == ()


@pytest.mark.parametrize("collation", ["", "C", "insensitive"])
@pytest.mark.parametrize("kind", ["text", "real", "bytes", "integer"])
def test_tokens_are_equal_where_a_unique_index_says_equal(kind: str, collation: str, tmp_path: object) -> None:
    database = Postgresql()
    column = Col("id", kind, collation)  # type: ignore[arg-type]  # one of its literals
    values = [value for value in OF_TYPE[column.type] if database.can_store(value, column, "plain")]
    if kind == "text":
        values = values[:40]
    rows = tuple((value, str(number)) for number, value in enumerate(values))
    url = database.create(tmp_path, Tab("t", (column, Col("oss_key")), rows))  # type: ignore[arg-type]  # not used
    with opened(url) as (source, table):
        tokens = {row.object_key: row.token for row in all_rows(source, table)}
    for first, second in combinations(range(len(values)), 2):
        same = tokens[str(first)] == tokens[str(second)]
        assert same == database.equal([column], [values[first]], [values[second]], "plain")
