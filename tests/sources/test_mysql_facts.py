"""What follows from what a server says of itself: recorded facts of MySQL 8 and 9, and of MariaDB."""

from __future__ import annotations

import pytest

from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.mysql_catalog import column_of_row, index_list, json_checked
from dedupaudit.sources.tables.mysql_facts import CollationFacts, collation_facts, too_old, writing_privileges
from dedupaudit.sources.tables.mysql_sql import weights_of
from dedupaudit.sources.tables.mysql_values import Kind, encode, kind_of, text_decoder
from dedupaudit.sources.tables.protocol import Undecodable


@pytest.mark.parametrize(
    ("version", "comment"),
    [
        ("8.0.11", "MySQL Community Server - GPL"),
        ("8.0.36-28", "Percona Server (GPL), Release 28"),
        ("8.4.3", "MySQL Community Server - GPL"),
        ("9.7.4", "MySQL Community Server - GPL"),
        ("10.6.0-MariaDB", "mariadb.org binary distribution"),
        ("5.5.5-10.11.19-MariaDB-0+deb12u1", "Debian 12"),
        ("11.8.2-MariaDB", "mariadb.org binary distribution"),
    ],
)
def test_servers_that_are_new_enough_are_read(version: str, comment: str) -> None:
    assert too_old(version, comment) is None


@pytest.mark.parametrize(
    ("version", "comment", "name"),
    [
        ("5.7.44-log", "MySQL Community Server (GPL)", "MySQL 5.7.44-log"),
        ("10.5.27-MariaDB", "mariadb.org binary distribution", "MariaDB 10.5.27-MariaDB"),
        ("5.5.5-10.3.39-MariaDB", "Ubuntu 20.04", "MariaDB 5.5.5-10.3.39-MariaDB"),
        ("unknown", "", "MySQL unknown"),
    ],
)
def test_older_servers_are_refused_with_one_sentence(version: str, comment: str, name: str) -> None:
    said = f"{name} is too old: dedupaudit supports MySQL 8.0+ and MariaDB 10.6+"
    assert too_old(version, comment) == said


def test_equality_is_written_in_the_way_that_the_server_was_seen_to_keep() -> None:
    mysql8 = collation_facts("utf8mb4_0900_ai_ci", pads=False, agreeing=["plain", "padded", "trimmed"])
    assert (mysql8.weights, mysql8.bytewise) == ("plain", False)
    assert weights_of("k", mysql8, "utf8mb4", 255) == "WEIGHT_STRING(k)"
    older = collation_facts("utf8mb4_general_ci", pads=True, agreeing=["trimmed"])
    assert "TRIM(TRAILING WEIGHT_STRING(CONVERT(' ' USING utf8mb4)" in weights_of("k", older, "utf8mb4", 255)
    mariadb = collation_facts("utf8mb4_general_ci", pads=True, agreeing=["padded", "trimmed"])
    assert weights_of("k", mariadb, "utf8mb4", 255) == "WEIGHT_STRING(k AS CHAR(255))"


def test_a_collation_whose_weights_do_not_agree_has_none() -> None:
    assert collation_facts("latin2_czech_cs", pads=True, agreeing=["plain"]).weights is None


@pytest.mark.parametrize(
    ("name", "pads", "bytewise"),
    [
        ("utf8mb4_0900_bin", False, True),
        ("utf8mb4_bin", True, False),
        ("utf8mb4_nopad_bin", False, True),
        ("binary", False, True),
        ("utf8mb4_0900_as_cs", False, False),
    ],
)
def test_only_a_binary_collation_without_padding_compares_by_bytes(name: str, pads: bool, bytewise: bool) -> None:
    assert CollationFacts(name, pads, "plain").bytewise is bytewise


@pytest.mark.parametrize(
    ("grant", "found"),
    [
        ("GRANT USAGE ON *.* TO `a`@`%`", ()),
        ("GRANT SELECT, PROCESS ON *.* TO `a`@`%`", ()),
        ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", ("ALL PRIVILEGES on *.*",)),
        ("GRANT SELECT, INSERT, DELETE ON `app`.* TO `a`@`%`", ("INSERT, DELETE on `app`.*",)),
        ('GRANT SELECT, UPDATE ON "app"."t" TO "a"@"%"', ('UPDATE on "app"."t"',)),
        ("GRANT SELECT (id), UPDATE (note, id) ON `app`.`t` TO `a`@`%`", ("UPDATE on `app`.`t`",)),
        ("GRANT SELECT, INSERT ON `other`.* TO `a`@`%`", ()),
        ("GRANT INSERT ON `ap_`.* TO `a`@`%`", ("INSERT on `ap_`.*",)),
        ("GRANT INSERT ON `ap_`.`a b` TO `a`@`%`", ("INSERT on `ap_`.`a b`",)),
        ("GRANT INSERT ON `a b`.* TO `a`@`%`", ()),
        (r"GRANT INSERT ON `ap\_`.* TO `a`@`%`", ()),
        ("GRANT `reader`@`%` TO `a`@`%`", ()),
    ],
)
def test_grants_that_let_the_role_write_are_told(grant: str, found: tuple[str, ...]) -> None:
    assert writing_privileges([grant], "app") == found


def test_mysql_9_columns_are_read_as_the_catalog_has_them() -> None:
    facts = {"utf8mb4_0900_ai_ci": CollationFacts("utf8mb4_0900_ai_ci", pads=False, weights="plain")}
    row = ("id", "varchar(255)", "NO", "DEFAULT_GENERATED", "utf8mb4_0900_ai_ci", "")
    column = column_of_row(row, frozenset(), facts)
    assert (column.nullable, column.generated, column.bytewise) == (False, False, False)
    json = column_of_row(("data", "json", "YES", "", None, ""), frozenset(), facts)
    assert json.json
    assert column_of_row(("g", "int", "YES", "STORED GENERATED", None, "(`a` + 1)"), frozenset(), facts).generated


def test_indexes_have_their_prefixes_and_expressions() -> None:
    columns = (Column("id", "varchar(255)", collation="utf8mb4_0900_ai_ci"),)
    found = index_list(
        [
            ("PRIMARY", "0", "pk", None, "1", "BTREE"),
            ("by lower", "0", None, None, "1", "BTREE"),
            ("short", "0", "id", "10", "1", "BTREE"),
            ("whole", "0", "id", None, "1", "BTREE"),
        ],
        columns,
    )
    assert [(index.name, index.columns, index.unique, index.primary, index.prefix) for index in found] == [
        ("PRIMARY", ("pk",), True, True, False),
        ("by lower", (None,), True, False, False),
        ("short", ("id",), True, False, True),
        ("whole", ("id",), True, False, False),
    ]
    assert found[3].collations == ("utf8mb4_0900_ai_ci",)


def test_mariadbs_json_is_known_by_its_check() -> None:
    assert json_checked(["json_valid(`da``ta`)", "`n` > 0", "json_valid(`a`) or `b` > 1"]) == {"da`ta"}


def test_types_are_read_from_the_declaration() -> None:
    assert kind_of(Column("n", "bigint(20) unsigned")) == Kind("bigint", "", unsigned=True)
    assert kind_of(Column("t", "enum('a','b')", collation="latin1_swedish_ci")).text
    assert kind_of(Column("b", "binary(16)")).bytes
    assert kind_of(Column("v", "vector(3)")).opaque


def test_latin1_is_cp1252_and_no_two_bytes_become_one_character() -> None:
    decode = text_decoder("latin1")
    decoded = [decode(bytes([byte])) for byte in range(256)]
    assert len(set(decoded)) == 256
    assert decoded[0x80] == "€"
    assert [encode(text, "latin1") for text in decoded] == [bytes([byte]) for byte in range(256)]


@pytest.mark.parametrize("charset", ["utf8mb4", "ascii", "gbk"])
def test_what_does_not_decode_stays_the_bytes_it_is(charset: str) -> None:
    assert text_decoder(charset)(b"a\xff") == Undecodable(b"a\xff")
    assert encode(Undecodable(b"a\xff"), charset) == b"a\xff"


@pytest.mark.parametrize("charset", ["ucs2", "utf16", "utf16le", "utf32"])
def test_wide_character_sets_decode(charset: str) -> None:
    raw = encode("aé", charset)
    assert raw is not None
    assert text_decoder(charset)(raw) == "aé"
