"""A plan for uploads beside their objects: rows that name different ones, and a folder that has only one of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Run, SqliteDb

TABLE = """
CREATE TABLE screenshots (pk INTEGER PRIMARY KEY, id TEXT, device_id TEXT, oss_key TEXT, oss_url TEXT, status TEXT,
                          retry_count INTEGER, created_at TEXT);
INSERT INTO screenshots VALUES
  (1, 'screenshot_1', 'd', 'shots/first.jpg', NULL, 'uploading', 3, '2025-12-24 08:00:00'),
  (2, 'screenshot_1', 'd', 'shots/second.jpg', NULL, 'completed', 1, '2025-12-24 08:01:00'),
  (3, 'screenshot_2', 'd', 'shots/third.jpg', NULL, 'completed', 0, '2025-12-24 08:02:00');
"""


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT pk, oss_key, status, retry_count FROM screenshots ORDER BY pk"
        return list(connection.execute(query))


@pytest.mark.parametrize(("there", "key"), [("first", "first"), ("second", "second"), ("none", "second")])
def test_the_row_that_stays_names_the_object_that_exists(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path, there: str, key: str
) -> None:
    path = sqlite_db(TABLE)
    objects = tmp_path / "objects"
    (objects / "shots").mkdir(parents=True)
    (objects / "shots" / f"{there}.jpg").write_bytes(b"picture")
    before = rows(path)
    where = ("--db", f"sqlite:///{path}")
    plan = ("repair", "plan", "screenshots", *where, "--max-delete", "50%", "-o", "plan.jsonl")
    done = run(*plan, "--objects", f"file://{objects}")
    assert done.code == 0, done.err
    applied = run("repair", "apply", "plan.jsonl", *where, "--confirm", "screenshots")
    assert applied.code == 0, applied.err
    assert rows(path) == [(2, f"shots/{key}.jpg", "completed", 3), before[2]]
    assert run("repair", "undo", "last", *where, "--confirm", "screenshots").code == 0
    assert rows(path) == before


def test_a_store_that_cannot_be_asked_is_said_and_the_furthest_state_stays(
    run: Run, sqlite_db: SqliteDb, tmp_path: Path
) -> None:
    path = sqlite_db(TABLE)
    plan = ("repair", "plan", "screenshots", "--db", f"sqlite:///{path}", "--max-delete", "50%", "-o", "plan.jsonl")
    done = run(*plan, "--objects", f"file://{tmp_path}/nowhere")
    assert done.code == 0
    assert b"objects cannot be asked" in done.err
    group = json.loads((tmp_path / "plan.jsonl").read_text().splitlines()[1])
    assert (group["survivor"]["pk"], group["rule"]) == ({"pk": 2}, "furthest state")
