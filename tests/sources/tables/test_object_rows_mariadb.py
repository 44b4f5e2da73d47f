"""What MariaDB's rows say of their objects: columns of any type, character sets and collations, keys by an index."""

from __future__ import annotations

from contextlib import closing
from itertools import combinations

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.sources.tables.object_rows import KEYS
from dedupaudit.sources.tables.protocol import Value
from tests.conformance.mariadb import Mariadb
from tests.conformance.strategies import OF_TYPE
from tests.conformance.tables import Col, Tab
from tests.servers.mariadb import MariadbServer
from tests.sources.tables.opened import all_rows, opened

NAME = "object_rows"
TEXTS = (
    *("", " ", "\t \n", "\t\t", "\u3000", "\u3000\t", "\u00a0a", " a", "\u2009", "\x1f", "\x7f", "!", "a", "A", "a "),
    *("_a", "-", "/a", "0", "a\0b", "\0", "it's", '"', "\\", "a\nb", "%", "a//b", "😀", "é", "e\u0301", "\u1680k"),
    *("\u205f", "k" * 700, "\ufeff", "\x85", "\x85\t", "\x86", "\xa0\t", "Z", "~", "\u200b", "日本", "\x81", "€"),
)  # fmt: skip
KEYS_ASKED = (*TEXTS[::2], "A", "\udcff", "\ud800", "missing", "\U0010ffff")


def fill(server: MariadbServer, column: str, texts: tuple[str, ...], index: str = "oss_key") -> str:
    url = server.create_database(NAME)
    server.execute(
        f"CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, oss_key {column}, INDEX by_key ({index}))",
        database=NAME,
    )
    with closing(server.connect(NAME)) as connection, connection.cursor() as cursor:
        for text in (*texts, None):
            cursor.execute("INSERT INTO t (oss_key) VALUES (%s)", (text,))
        connection.commit()
    return url


def fits(text: str, codec: str) -> bool:
    try:
        return max(text, default="") < "\U00010000" if codec == "bmp" else bool(text.encode(codec) or not text)
    except UnicodeEncodeError:
        return False


def is_wanted(value: Value, keys: frozenset[str]) -> bool:
    return not isinstance(value, str) or not value.strip() or value in keys


@pytest.mark.parametrize(
    ("charset", "collation", "codec"),
    [
        ("utf8mb4", "utf8mb4_general_ci", "utf-8"),
        ("utf8mb4", "utf8mb4_bin", "utf-8"),
        ("utf8mb4", "utf8mb4_unicode_ci", "utf-8"),
        ("utf8mb4", "utf8mb4_unicode_520_nopad_ci", "utf-8"),
        ("utf8mb4", "utf8mb4_nopad_bin", "utf-8"),
        ("utf8mb3", "utf8mb3_general_ci", "bmp"),
        ("latin1", "latin1_swedish_ci", "cp1252"),
        ("latin1", "latin1_bin", "cp1252"),
        ("ascii", "ascii_general_ci", "ascii"),
        ("utf16", "utf16_general_ci", "utf-16"),
        ("ucs2", "ucs2_bin", "bmp"),
        ("koi8r", "koi8r_general_ci", "ascii"),
    ],
)
def test_rows_with_certain_keys_and_those_without_any_are_found_once_each(
    mariadb: MariadbServer, charset: str, collation: str, codec: str
) -> None:
    texts = tuple(text for text in TEXTS if fits(text, codec))
    url = fill(mariadb, f"varchar(750) CHARACTER SET {charset} COLLATE {collation}", texts)
    with opened(url) as (source, table):
        everything = all_rows(source, table)
        assert sorted(str(row.object_key) for row in everything) == sorted([*texts, "None"])
        for keys in (KEYS_ASKED, (), ("a",)):
            found = all_rows(source, table, keys=keys)
            assert {row for row in everything if is_wanted(row.object_key, frozenset(keys))} == set(found)
            assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("column", "index"),
    [
        ("varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "oss_key"),
        ("varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "oss_key"),
        ("varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "oss_key"),
        ("varchar(200) CHARACTER SET latin1 COLLATE latin1_swedish_ci", "oss_key"),
        ("varchar(200) CHARACTER SET ascii COLLATE ascii_bin", "oss_key"),
        ("text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "oss_key(40)"),
    ],
)
def test_few_keys_are_looked_up_in_an_index(mariadb: MariadbServer, column: str, index: str) -> None:
    url = fill(mariadb, column, ("a",), index)
    mariadb.execute("INSERT INTO t (oss_key) SELECT CONCAT('key ', seq) FROM seq_1_to_3000", database=NAME)
    mariadb.execute("ANALYZE TABLE t", database=NAME)
    plans: list[tuple[str | None, ...]] = []
    with opened(url) as (source, table):
        session = source._session  # type: ignore[attr-defined]  # the source's own
        stream = session.stream

        def explained(statement: str) -> object:
            plans.extend(session.texts(f"EXPLAIN {statement}"))
            return stream(statement)

        session.stream = explained
        assert len(all_rows(source, table, keys=["key 7", "missing"])) == 2
    assert [plan[3:6:2] for plan in plans] == [("range", "by_key")]


def test_more_keys_than_a_statement_takes_repeat_no_row(mariadb: MariadbServer) -> None:
    keys = [f"{letter}{number}" for number in range(KEYS // 2 + 3) for letter in "kK "]
    url = fill(mariadb, "varchar(99)", (*keys, "", " "))
    with opened(url) as (source, table):
        found = all_rows(source, table, keys=[*keys, *keys])
    assert len({row.key for row in found}) == len(found) == len(keys) + 3


def test_values_of_each_type_travel_as_they_are(mariadb: MariadbServer) -> None:
    url = mariadb.create_database(NAME)
    with closing(mariadb.connect(NAME)) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', time_zone = '+00:00'")
        cursor.execute(
            "CREATE TABLE t (id binary(2), part int, status enum('completed', 'failed'), oss_key varbinary(9),"
            " oss_url varchar(99), file_size decimal(9,2), etag char(8), created_at datetime(3), updated_at timestamp"
            " NULL, shown bool, data json, ratio double, at date, PRIMARY KEY (part, id))"
        )
        cursor.execute(
            "INSERT INTO t VALUES (x'00ff', 1, 'completed', x'61ff', 'http://x/y', 12, 'AB', '2025-12-24 10:00',"
            " '2025-12-24 10:00', 1, '{\"a\": 1}', 0.5, '2025-12-24'),"
            " (x'0100', 2, NULL, NULL, NULL, NULL, NULL, '0000-00-00', NULL, NULL, NULL, NULL, NULL)"
        )
        connection.commit()
    settings = TableSettings(key=("id", "part"), where="shown")
    with opened(url, settings) as (source, table):
        first, second = sorted(
            all_rows(source, table, ("data", "ratio", "at", "shown")), key=lambda row: str(row.locator)
        )
        assert len(all_rows(source, table, keys=["x"])) == 2
    assert isinstance(first.token, int)
    assert first.token != second.token
    assert (first.judged, *first[2:]) == (
        *(True, (b"\x00\xff", 1), (1, b"\x00\xff"), "completed", b"a\xff", "http://x/y", "12.00", "AB"),
        *("2025-12-24 10:00:00.000", "2025-12-24 10:00:00+00:00", ('{"a": 1}', 0.5, "2025-12-24", 1)),
    )  # fmt: skip
    assert (second.judged, *second[2:]) == (
        *(False, (b"\x01\x00", 2), (2, b"\x01\x00"), None, None, None, None, None, None, None, (None,) * 4),
    )  # fmt: skip


@pytest.mark.parametrize("collation", ["", "utf8mb4_bin", "utf8mb4_unicode_nopad_ci", "latin1_swedish_ci"])
def test_tokens_are_equal_where_a_unique_index_says_equal(collation: str, tmp_path: object) -> None:
    assert_tokens_agree(Col("id", "text", collation), tmp_path)


@pytest.mark.parametrize("kind", ["real", "bytes", "integer"])
def test_tokens_of_other_types_are_equal_where_a_unique_index_says_equal(kind: str, tmp_path: object) -> None:
    assert_tokens_agree(Col("id", kind), tmp_path)  # type: ignore[arg-type]  # one of its literals


def assert_tokens_agree(column: Col, folder: object) -> None:
    database = Mariadb()
    values = [value for value in OF_TYPE[column.type] if database.can_store(value, column, "plain")][:40]
    rows = tuple((value, str(number)) for number, value in enumerate(values))
    url = database.create(folder, Tab("t", (column, Col("oss_key")), rows))  # type: ignore[arg-type]  # not used
    with opened(url) as (source, table):
        tokens = {row.object_key: row.token for row in all_rows(source, table)}
    for first, second in combinations(range(len(values)), 2):
        same = tokens[str(first)] == tokens[str(second)]
        assert same == database.equal([column], [values[first]], [values[second]], "plain"), (
            values[first],
            values[second],
        )


def test_parts_of_a_key_are_kept_apart_and_a_view_names_no_row(mariadb: MariadbServer) -> None:
    url = mariadb.create_database(NAME)
    mariadb.execute("CREATE TABLE h (a varchar(9), b varchar(9), oss_key varchar(9))", database=NAME)
    mariadb.execute("INSERT INTO h VALUES ('a', 'bc', 'k'), ('ab', 'c', 'k'), ('A', 'BC', 'k')", database=NAME)
    mariadb.execute("CREATE VIEW t AS SELECT * FROM h", database=NAME)
    with opened(url, TableSettings(key=("a", "b"))) as (source, table):
        rows = all_rows(source, table, keys=["k"])
        assert [row.locator for row in rows] == [(), (), ()]
        assert rows[0].token == rows[2].token != rows[1].token
