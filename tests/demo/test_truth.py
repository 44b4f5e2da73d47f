"""The truth against what is really in the demo's files, counted a second time by code of the tests' own."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.demo import Truth, build, load_truth
from dedupaudit.demo.truth import Expected
from dedupaudit.errors import UsageError
from tests.demo.conftest import Incident
from tests.demo.oracle import TABLES, Found, findings, key_of, object_findings, read, stored, totals

CONSTRAINTS = ("missing_unique", "invalid_index", "redundant_index", "index_disagrees")


def as_found(expected: Expected) -> Found:
    return (
        expected.check,
        expected.target,
        expected.key.get("id", expected.key.get("object_key")),
        expected.count,
        expected.row_class,
        expected.differs,
    )


def planted(incident: Incident, name: str) -> list[Any]:
    return [case for case in incident.truth.cases if case.name == name]


def rows_of(incident: Incident, case: Any) -> list[dict[str, Any]]:
    return [row for row in read(incident.folder / "app.db", case.table) if row["id"] in case.ids]


def seconds_apart(rows: list[dict[str, Any]]) -> list[float]:
    times = sorted(datetime.fromisoformat(row["created_at"]) for row in rows)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


@pytest.mark.parametrize(("rows", "seed"), [(600, 2025), (0, 2025), (37, 1), (600, -7), (3_000, 99)])
def test_a_recount_of_the_database_agrees_with_the_truth(tmp_path: Path, rows: int, seed: int) -> None:
    truth = build(tmp_path / "demo", rows=rows, seed=seed)
    tables = {table: read(tmp_path / "demo" / "app.db", table) for table in TABLES}
    assert {table: totals(content) for table, content in tables.items()} == {
        table: told.model_dump() for table, told in truth.tables.items()
    }
    found = sum((findings(content, table) for table, content in tables.items()), Counter[Found]())
    found += object_findings(tables["screenshots"], stored(tmp_path / "demo"))
    assert found == Counter(as_found(told) for told in truth.findings if told.check not in CONSTRAINTS)


def test_no_table_has_a_unique_index_and_the_truth_says_so_of_each(incident: Incident) -> None:
    with closing(sqlite3.connect(incident.folder / "app.db")) as connection:
        indexes = {table: connection.execute(f"PRAGMA index_list({table})").fetchall() for table in TABLES}
    assert {table: len(found) for table, found in indexes.items()} == {
        "activities": 0,
        "screenshots": 0,
        "processes": 1,
    }
    assert not any(index[2] for found in indexes.values() for index in found)
    said = {(told.check, told.target) for told in incident.truth.findings if told.check in CONSTRAINTS}
    assert said == {("missing_unique", table) for table in TABLES}


def test_every_mechanism_of_the_incident_is_planted(incident: Incident) -> None:
    assert {(case.mechanism, case.name) for case in incident.truth.cases if case.mechanism} == {
        (1, "timeout_retry"),
        (2, "no_idempotency_check"),
        (3, "missing_unique"),
        (4, "overlapping_batches"),
        (5, "check_then_act"),
        (6, "row_before_object"),
        (7, "several_devices"),
        (8, "id_collision"),
    }


def test_every_id_of_a_case_is_in_its_table_or_an_orphan(incident: Incident) -> None:
    for case in incident.truth.cases:
        stored = {row["id"] for row in read(incident.folder / "app.db", case.table)}
        assert case.name == "orphan_object" or set(case.ids) <= stored, case.planted


def test_a_retry_leaves_rows_30_to_60_seconds_apart(incident: Incident) -> None:
    for name in ("timeout_retry", "no_idempotency_check"):
        for case in planted(incident, name):
            gaps = seconds_apart(rows_of(incident, case))
            assert gaps, case.planted
            assert all(30 <= gap <= 60 for gap in gaps), (case.planted, gaps)


def test_the_first_case_is_the_incidents_own_click(incident: Incident) -> None:
    rows = [row for row in read(incident.folder / "app.db", "activities") if row["id"] == "activity_1766557428498"]
    assert [row["created_at"] for row in rows] == [
        "2025-12-24 08:01:14.510",
        "2025-12-24 08:02:14.510",
        "2025-12-24 08:03:14.510",
    ]
    client = (incident.folder / "logs/app-console.log").read_text(encoding="utf-8").splitlines()
    assert [line for line in client if "activity_1766557428498" in line][:3] == [
        "2025-12-24T08:01:14.487Z 发送 activity_1766557428498",
        "2025-12-24T08:01:44.487Z 超时（30秒），重新入队 activity_1766557428498",
        "2025-12-24T08:02:14.487Z 再次发送 activity_1766557428498",
    ]


def test_overlapping_batches_and_check_then_act_leave_rows_within_seconds(incident: Incident) -> None:
    for name in ("overlapping_batches", "check_then_act"):
        for case in planted(incident, name):
            gaps = seconds_apart(rows_of(incident, case))
            assert gaps, case.planted
            assert all(0 < gap < 5 for gap in gaps), (case.planted, gaps)


def test_several_devices_sent_the_same_and_a_collision_is_of_different_things(incident: Incident) -> None:
    for case in planted(incident, "several_devices"):
        rows = rows_of(incident, case)
        assert len({row["device_id"] for row in rows}) == len(rows) == len(case.devices)
        assert len({row.get("data", row.get("file_size")) for row in rows}) == 1
    devices = set()
    for case in planted(incident, "id_collision"):
        rows = rows_of(incident, case)
        devices.add(len({row["device_id"] for row in rows}))
        assert len({row.get("data", row.get("file_size")) for row in rows}) > 1
    assert devices == {1, 2}


def test_a_duplicate_is_told_with_every_class(incident: Incident) -> None:
    classes = Counter(told.row_class for told in incident.truth.findings if told.check == "duplicate_ids")
    assert set(classes) == {"identical", "mergeable", "conflicting"}


def test_the_objects_are_pictures_as_large_and_as_old_as_their_rows_say(incident: Incident) -> None:
    told = incident.truth.objects
    root = incident.folder / "objects"
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.jpg")}
    assert len(files) == told.stored
    assert sum(path.stat().st_size for path in files.values()) == told.bytes
    pictures = read(incident.folder / "app.db", "screenshots")
    rows = [row for row in pictures if (row["oss_key"] or "").strip()]
    assert sorted(set(files) - {row["oss_key"] for row in rows}) == sorted(told.orphans)
    assert sum(files[key].stat().st_size for key in told.orphans) == told.orphan_bytes
    completed = [row for row in pictures if row["status"] == "completed"]
    assert sorted({key_of(row) for row in completed} - set(files)) == sorted(told.missing)
    assert sum(row["file_size"] or 0 for row in completed if key_of(row) in told.missing) == told.missing_bytes
    for row in rows:
        if row["oss_key"] in files and row["oss_key"] not in {wrong.object_key for wrong in told.resized}:
            assert files[row["oss_key"]].stat().st_size == row["file_size"]
    for path in files.values():
        content = path.read_bytes()
        assert content.startswith(b"\xff\xd8\xff")
        assert content.endswith(b"\xff\xd9")
        assert 1_766_361_600 <= path.stat().st_mtime < 1_766_361_600 + 3 * 86_400


def test_an_overwritten_and_a_shared_object_are_told(incident: Incident) -> None:
    rows = read(incident.folder / "app.db", "screenshots")
    (overwritten,) = incident.truth.objects.resized
    sizes = [row["file_size"] for row in rows if row["oss_key"] == overwritten.object_key]
    assert sorted(sizes) == sorted(overwritten.row_sizes)
    assert (incident.folder / "objects" / overwritten.object_key).stat().st_size == overwritten.object_size
    named_by: dict[str, set[str]] = {}
    for row in rows:
        if row["oss_key"]:
            named_by.setdefault(row["oss_key"], set()).add(row["id"])
    assert {key: ids for key, ids in named_by.items() if len(ids) > 1} == {
        shared.object_key: set(shared.ids) for shared in incident.truth.objects.shared
    }


def log_texts(folder: Path) -> dict[str, str]:
    texts = {}
    for path in sorted((folder / "logs").iterdir()):
        content = path.read_bytes()
        texts[path.name] = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return texts


def test_the_logs_say_what_the_truth_says_of_them(incident: Incident) -> None:
    told, texts = incident.truth.logs, log_texts(incident.folder)
    assert set(texts) == {
        "app-console.log",
        "app-console.log.1",
        "app-console.log.2.gz",
        "backend.log",
        "backend.log.1",
    }
    everything = "".join(texts.values())
    assert (len(texts), everything.count("\n"), len(everything.encode())) == (told.files, told.lines, told.bytes)
    assert set(re.findall(r"重新入队 (\w+)", everything)) == set(told.requeued_ids)
    received = Counter(re.findall(r" 接收 (\w+)", everything))
    assert {item for item, times in received.items() if times > 1} == set(told.repeatedly_received_ids)
    words = {
        "send": r"Z 发送 ",
        "resend": "再次发送 ",
        "timeout": "超时",
        "requeue": "重新入队",
        "receive": " 接收 ",
        "db_write": "写入数据库 |插入数据库成功",
        "response": "发送响应",
        "response_lost": "响应丢失",
        "upload_done": "上传完成",
        "upload_failed": "上传失败",
        "idempotent_skip": "跳过",
        "retry": "重新上传",
    }
    counted = {event: len(re.findall(pattern, everything)) for event, pattern in words.items()}
    assert counted == told.events


def test_each_log_is_in_order_and_rotated_by_day(incident: Incident) -> None:
    texts = log_texts(incident.folder)
    for name, text in texts.items():
        times = [line.split(" ")[0] for line in text.splitlines()]
        assert times
        assert times == sorted(times), name
    client = [texts[name] for name in ("app-console.log.2.gz", "app-console.log.1", "app-console.log")]
    assert [text[:10] for text in client] == ["2025-12-22", "2025-12-23", "2025-12-24"]


def test_every_row_of_a_retried_duplicate_has_its_receive_line(incident: Incident) -> None:
    received = Counter(re.findall(r" 接收 (\w+)", "".join(log_texts(incident.folder).values())))
    duplicates = [case for case in incident.truth.cases if case.mechanism in (1, 2, 4, 5)]
    assert duplicates
    for case in duplicates:
        assert received[case.ids[0]] == len(rows_of(incident, case)), case.planted


def test_load_truth_reads_back_what_build_returned(incident: Incident) -> None:
    assert load_truth(incident.folder) == load_truth(incident.folder / "truth.json") == incident.truth


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a demo's truth"),
        (b"{}", "not a demo's truth"),
        (b'{"schema": "dedupaudit.truth/2"}', "not a demo's truth"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"schema": "dedupaudit.truth/1", "complete": false, "files": []}', "did not finish"),
    ],
)
def test_load_truth_says_what_is_wrong_with_another_file(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "truth.json").write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        load_truth(tmp_path / "truth.json")
    assert "dedupaudit demo" in caught.value.hint


def test_load_truth_of_a_folder_without_one_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"truth\.json cannot be read"):
        load_truth(tmp_path)


def test_the_truth_is_frozen_and_its_file_is_plain_json(incident: Incident) -> None:
    content = json.loads((incident.folder / "truth.json").read_text(encoding="utf-8"))
    assert content["schema"] == "dedupaudit.truth/1"
    assert content["seed"] == 2025
    assert content["rows"] == 600
    assert isinstance(incident.truth, Truth)
    with pytest.raises(ValueError, match="frozen"):
        incident.truth.seed = 1  # type: ignore[misc]
