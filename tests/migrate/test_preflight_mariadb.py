"""What preflight says of real tables of MariaDB: each trouble is made, looked at and told."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.migrate.preflight import open_transactions
from tests.migrate.preflight.looking import is_told, levels, looked_at
from tests.repair.databases import MARIADB
from tests.servers.fixtures import shared_mariadb

PLAIN = (
    "CREATE TABLE t (rid BIGINT NOT NULL PRIMARY KEY, id VARCHAR(40) COLLATE utf8mb4_nopad_bin NOT NULL,"
    " device VARCHAR(40) COLLATE utf8mb4_nopad_bin, made DATETIME) ENGINE=InnoDB"
)
LOOSE = PLAIN.replace(
    "VARCHAR(40) COLLATE utf8mb4_nopad_bin NOT NULL", "VARCHAR(40) COLLATE utf8mb4_general_ci NOT NULL"
)
NULLABLE = PLAIN.replace("nopad_bin NOT NULL", "nopad_bin")
A = "INSERT INTO t (rid, id) VALUES (1, 'a')"


@pytest.mark.parametrize("statements", [(PLAIN,), (PLAIN, A)], ids=["empty", "rows"])
def test_a_healthy_table_is_nothing_to_say(statements: tuple[str, ...], tmp_path: Path) -> None:
    assert looked_at(MARIADB, tmp_path, statements) == ()


TROUBLES: dict[str, tuple[tuple[str, ...], dict[str, Any], str, str, str]] = {
    "conflicting rows": (
        (PLAIN, A, "INSERT INTO t VALUES (2, 'a', 'phone', NULL), (3, 'a', 'tablet', NULL)"),
        {},
        "duplicates_left",
        "refusal",
        ": a",
    ),
    "identical rows": ((PLAIN, A, A.replace("1,", "2,")), {}, "duplicates_left", "note", "1 row of 1 key"),
    "null, forbidden": (
        (NULLABLE, A, "INSERT INTO t (rid) VALUES (2)"),
        {"not_null": True},
        "null_keys",
        "refusal",
        "1 row of t has NULL",
    ),
    "null, allowed": ((NULLABLE, A, "INSERT INTO t (rid) VALUES (2)"), {}, "null_keys", "note", "1 row of t has NULL"),
    "blank twice": (
        (PLAIN, "INSERT INTO t (rid, id) VALUES (1, ' '), (2, ' ')"),
        {},
        "blank_keys",
        "refusal",
        "2 rows of t have a blank key",
    ),
    "blank once": (
        (PLAIN, "INSERT INTO t (rid, id) VALUES (1, '')"),
        {},
        "blank_keys",
        "note",
        "1 row of t has a blank",
    ),
    "loose collation": ((LOOSE, A), {}, "collation_pairs", "note", "id by utf8mb4_general_ci"),
    "too long": ((PLAIN.replace("VARCHAR(40)", "VARCHAR(769)", 1),), {}, "key_length", "refusal", "3,076 bytes"),
    "too long for the row format": (
        (PLAIN.replace("VARCHAR(40)", "VARCHAR(192)", 1) + " ROW_FORMAT=COMPACT",),
        {},
        "key_length",
        "refusal",
        "holds 767 of each",
    ),
    "name taken": (
        (PLAIN, "CREATE INDEX taken ON t (device)"),
        {"constraint": "taken"},
        "name_taken",
        "refusal",
        "taken",
    ),
    "redundant index": ((PLAIN, "CREATE INDEX old ON t (id)"), {}, "redundant_index", "note", "old"),
    "engine": ((PLAIN.replace("InnoDB", "MyISAM"),), {}, "engine", "refusal", "MyISAM"),
    "partitioned without its key": (
        (
            "CREATE TABLE t (rid BIGINT, id VARCHAR(40) NOT NULL, made DATETIME NOT NULL, PRIMARY KEY (rid, made))"
            " PARTITION BY RANGE (TO_DAYS(made)) (PARTITION p VALUES LESS THAN MAXVALUE)",
        ),
        {},
        "partition_key",
        "refusal",
        "lacks made",
    ),
    "cascade": (
        (
            "CREATE TABLE devices (name VARCHAR(40) COLLATE utf8mb4_nopad_bin PRIMARY KEY)",
            PLAIN,
            "ALTER TABLE t ADD CONSTRAINT of_device FOREIGN KEY (id) REFERENCES devices (name) ON UPDATE CASCADE",
        ),
        {},
        "foreign_keys",
        "refusal",
        "of_device (ON UPDATE CASCADE)",
    ),
    "trigger": (
        (PLAIN, "CREATE TRIGGER rewrites BEFORE INSERT ON t FOR EACH ROW SET NEW.device = 'x'"),
        {},
        "triggers",
        "warning",
        "rewrites",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_is_told(trouble: str, tmp_path: Path) -> None:
    statements, request, check, level, words = TROUBLES[trouble]
    found = looked_at(MARIADB, tmp_path, statements, **request)
    is_told(found, check, level, words)


def test_a_transaction_that_stays_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A minute is too long for a test; how long is long is tested elsewhere. It began in this second or the last.
    monkeypatch.setattr(open_transactions, "LONG", -1.0)
    with closing(shared_mariadb().connect()) as other, other.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        # InnoDB shows for a tenth of a second what it showed to the last who asked: who is old is seen all the same.
        time.sleep(0.2)
        found = looked_at(MARIADB, tmp_path, (PLAIN,))
    assert "open_transactions" in levels(found)


def test_a_user_who_may_only_read_is_refused_with_the_grants(tmp_path: Path) -> None:
    server = shared_mariadb()
    user = "preflight_reader"
    server.execute(f"CREATE OR REPLACE USER {user}@'%'")
    statements = (PLAIN, f"GRANT SELECT, SHOW VIEW ON repaired.* TO {user}@'%'")
    try:
        found = looked_at(MARIADB, tmp_path, statements, server.url(user=user, database="repaired"))
        assert levels(found)["permissions"] == "refusal"
        (hint,) = [concern.hint for concern in found if concern.check == "permissions"]
        assert "GRANT" in hint and user in hint
    finally:
        server.execute(f"DROP USER {user}@'%'")
