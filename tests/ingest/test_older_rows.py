"""Rows that an older backend wrote: times, states and places that a writer would not have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedupaudit.ingest.errors import Unprotected, UploadFailed
from dedupaudit.ingest.tables import Table
from tests.ingest.databases import Database
from tests.ingest.test_claims import KEY, leases, rows_of
from tests.ingest.uploads import DONE, DUPLICATE, SHOT, STORED, Uploads
from tests.ingest.uploads import KEY as PLACE

AHEAD = {
    "postgresql": {"timestamptz": "'infinity'", "timestamp": "now() + interval '1 day'", "bigint": str(2**63 - 1)},
    "mariadb": {"datetime(3)": "UTC_TIMESTAMP() + INTERVAL 8 HOUR", "bigint unsigned": str(2**64 - 1)},
    "sqlite": {"TEXT": "'9999-12-31'", "INTEGER": str(2**63 - 1)},
}
"""Local times, other units and clocks that were wrong: times that nobody lives to see."""
SOON = {
    "postgresql": ("timestamptz", "now() + interval '100 seconds'"),
    "mariadb": ("timestamp(3)", "NOW(3) + INTERVAL 100 SECOND"),
    "sqlite": ("TEXT", "strftime('%Y-%m-%d %H:%M:%f', 'now', '100 seconds')"),
}


def test_a_time_that_no_claim_can_have_written_is_a_lease_that_is_over(database: Database) -> None:
    for kind, value in AHEAD[database.name].items():
        rows = leases(database, kind)
        database.run(f"UPDATE leases SET status = 'uploading', updated_at = {value}")
        assert not rows.look().held, kind
        assert rows.expired() == [(KEY, 0)], kind
        assert rows.claim() == 1, kind
        assert rows.look().held, kind


def test_a_servers_clock_that_was_set_back_a_little_ends_no_lease(database: Database) -> None:
    kind, value = SOON[database.name]
    rows = leases(database, kind)
    database.run(f"UPDATE leases SET status = 'uploading', updated_at = {value}")
    assert rows.look().held
    assert rows.expired() == []
    assert rows.claim() is None


def test_a_status_is_ours_where_the_database_says_so(database: Database) -> None:
    blind = {
        "postgresql": "char(20)",
        "mariadb": "varchar(20) COLLATE utf8mb4_general_ci",
        "sqlite": "TEXT COLLATE NOCASE",
    }
    stored = {"postgresql": "failed", "mariadb": "FAILED ", "sqlite": "Failed"}[database.name]
    clock = next(iter(SOON[database.name]))
    for kind, said, token in ((blind[database.name], "failed", 3), ("varchar(20)", " failed", None)):
        database.run(
            "DROP TABLE IF EXISTS states",
            f"CREATE TABLE states (id char(12) PRIMARY KEY, status {kind}, retry_count int, updated_at {clock} NULL)",
            f"INSERT INTO states VALUES ('{KEY[0]}', '{stored if token else said}', 3, NULL)",
        )
        rows = rows_of(database, Table(("states",)))
        assert (rows.look().status, rows.claim()) == (said, token)


@pytest.fixture
def uploads(database: Database, tmp_path: Path) -> Uploads:
    return Uploads(database, tmp_path)


def test_a_completed_row_without_an_address_is_answered_with_the_stores(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    for blank in ("NULL", "''"):
        uploads.database.run(f"UPDATE screenshots SET oss_url = {blank}")
        assert uploads.writer.write(SHOT) == DUPLICATE


@pytest.mark.parametrize("key", ["/old.jpg", "https://bucket/old.jpg", "../old.jpg"])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_completed_row_with_a_key_that_cannot_be_is_told(uploads: Uploads, key: str) -> None:
    uploads.writer.write(SHOT)
    (uploads.folder / PLACE).unlink()
    uploads.database.run(f"UPDATE screenshots SET oss_key = '{key}'")
    with pytest.raises(UploadFailed, match="is completed and its object cannot be: .* cannot have an object") as told:
        uploads.writer.write(SHOT)
    assert "mark the row failed" in told.value.hint
    uploads.database.run("UPDATE screenshots SET status = 'failed'")
    assert uploads.writer.write(SHOT) == STORED
    assert uploads.row() == DONE


def test_a_state_with_a_space_behind_it_is_no_upload_to_wait_for(uploads: Uploads) -> None:
    uploads.writer.write(SHOT)
    uploads.database.run("UPDATE screenshots SET status = 'failed '")
    if uploads.database.name == "mariadb":  # its collation makes nothing of the space
        assert uploads.writer.write(SHOT) == STORED
        return
    with pytest.raises(UploadFailed, match='has status "failed ", which no upload begins from'):
        uploads.writer.write(SHOT)


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_a_counter_that_an_outage_would_use_up_is_refused(uploads: Uploads) -> None:
    uploads.database.run("ALTER TABLE screenshots MODIFY retry_count tinyint unsigned DEFAULT 0")
    with pytest.raises(Unprotected, match="retry_count of screenshots is tinyint.* unsigned: it counts attempts"):
        uploads.new_writer().write(SHOT)
    assert uploads.row() is None
