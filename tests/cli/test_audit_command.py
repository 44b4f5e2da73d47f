"""`audit` and `explain` as a user runs them: over the demo's incident, and over sources that are not all there."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.reading import report_of, said, statuses
from tests.conftest import Run

FIRST = "activity_1766557428498"
PICTURE = "screenshot_1766411875392"
"""A picture whose row was written before its object."""


@pytest.fixture
def incident(run: Run, tmp_path: Path) -> Path:
    assert run("demo", "-q").code == 0
    return tmp_path / "dedupaudit-demo"


def causes(report: dict[str, Any]) -> dict[str, str]:
    return {
        str(finding["key"].get("id")): finding["cause"]["name"]
        for finding in report["findings"]
        if finding["check"] in ("duplicate_ids", "missing_object") and finding["cause"]
    }


# ---- audit


def test_an_audit_joins_everything_and_says_it_in_five_lines(run: Run, incident: Path) -> None:
    done = run("audit", "-f", "json", "--max-findings", "10000", cwd=incident)
    report = report_of(done)
    assert done.code == 1
    assert report["complete"]
    told = json.loads((incident / "truth.json").read_text(encoding="utf-8"))
    expected = {str(item): case["cause"] for case in told["cases"] if case["cause"] for item in case["ids"]}
    found = causes(report)
    assert {item: found.get(item) for item in expected} == expected
    proof = next(one for one in report["findings"] if one["key"] == {"id": FIRST} and one["check"] == "duplicate_ids")
    assert proof["cause"]["confidence"] == "proved"
    assert sorted(proof["cause"]["enabled_by"]) == ["missing_unique", "no_idempotency_check"]
    assert {one["kind"] for one in proof["evidence"]} == {"row", "log"}
    lines = report["summary"]["five_lines"]
    assert "35 IDs are stored more than once" in lines["what"]
    assert "users get a 404 for 4 pictures" in lines["how_much"]
    assert "since 2025-12-22" in lines["since"].lower() and "days before this run" in lines["since"]
    assert "timeout_retry" in lines["why"]
    assert len(lines["next"]) == 2
    assert report["summary"]["tables"]["db.activities"]["causes"]["timeout_retry"]["proved"] > 0


def test_the_commands_that_come_next_work(run: Run, incident: Path) -> None:
    for command in report_of(run("audit", "-f", "json", cwd=incident))["summary"]["five_lines"]["next"]:
        assert run(*command.split()[1:], cwd=incident).code in (0, 1), command


def test_a_part_without_a_source_is_skipped_with_the_reason(run: Run, incident: Path) -> None:
    done = run("audit", "--db", f"sqlite:///{incident}/app.db", "-f", "json")
    report = report_of(done)
    assert done.code == 1
    skipped = {row["source"]: row["reason"] for row in report["coverage"] if row["target"] == "*"}
    assert "--logs GLOB" in skipped["logs"]
    assert "--objects URL" in skipped["objects"]
    assert report["complete"]
    assert report["summary"]["logs"] is None
    assert {one["cause"]["confidence"] for one in report["findings"] if one["cause"]} <= {"likely", "none"}


def test_logs_that_tell_nothing_make_an_audit_incomplete(run: Run, incident: Path, tmp_path: Path) -> None:
    (tmp_path / "other.log").write_text("GET / 200\n")
    done = run("audit", "--logs", tmp_path / "other.log", "-f", "json", "--fail-on", "none", cwd=incident)
    assert done.code == 3
    assert "none of 1 lines tells of an event" in said(done)
    assert not report_of(done)["complete"]


def test_findings_of_logs_alone_are_not_other_ones(run: Run, incident: Path) -> None:
    report = report_of(run("audit", "--check", "requeue", "-f", "json", cwd=incident))
    assert re.fullmatch(r"\d+ findings\.", report["summary"]["five_lines"]["what"])


def test_a_check_of_one_part_runs_that_part_alone(run: Run, incident: Path) -> None:
    report = report_of(run("audit", "--check", "requeue", "--check", "duplicate_ids", "-f", "json", cwd=incident))
    assert set(report["summary"]["by_check"]) == {"requeue", "duplicate_ids"}
    assert report["summary"]["objects"] is None
    unknown = run("audit", "--check", "requeues", cwd=incident)
    assert unknown.code == 2
    assert "did you mean requeue?" in said(unknown)


def test_an_audit_without_anything_to_look_at_is_4(run: Run, sqlite_db: Any) -> None:
    empty = sqlite_db("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    done = run("audit", "--db", f"sqlite:///{empty}")
    assert done.code == 4
    assert run("audit").code == 2


def test_a_database_that_cannot_be_read_makes_no_orphans(run: Run, incident: Path) -> None:
    (incident / "app.db").write_bytes(b"no database" * 100)
    done = run("audit", "-f", "json", cwd=incident)
    report = report_of(done)
    assert not report["complete"]
    assert not [one for one in report["findings"] if one["check"] == "orphan_object" and one["verdict"] == "confirmed"]
    assert report["summary"]["logs"]["requeued_ids"] == 29


def test_the_audit_of_a_healthy_backend_is_clean(run: Run, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as db:
        db.execute("CREATE TABLE activities (id TEXT PRIMARY KEY NOT NULL, created_at TEXT)")
        db.execute("INSERT INTO activities VALUES (?, '2025-12-24T08:01:14.510Z')", (FIRST,))
        db.commit()
    (tmp_path / "a.log").write_text(f"2025-12-24T08:01:14.500Z 接收 {FIRST}\n", encoding="utf-8")
    done = run("audit", "--db", "sqlite:///app.db", "--logs", "a.log")
    assert done.code == 0, done.err
    text = done.out.decode()
    assert "No ID is stored more than once." in text
    assert "nothing found" in text


@pytest.mark.parametrize("width", ["80", "160"])
def test_the_report_fits_the_terminal(run: Run, incident: Path, width: str) -> None:
    for command in (["audit"], ["explain", FIRST], ["explain", PICTURE]):
        done = run(*command, cwd=incident, env={"COLUMNS": width})
        assert max(map(len, done.out.decode().splitlines())) <= int(width)


# ---- explain


def test_a_story_is_told_in_the_order_of_time(run: Run, incident: Path) -> None:
    done = run("explain", FIRST, "-f", "json", cwd=incident)
    report = report_of(done)
    assert done.code == 0
    told = report["explanation"]
    assert told["id"] == FIRST
    moments = [one["at"] for one in told["timeline"]]
    assert moments == sorted(moments)
    assert told["timeline"][0]["offset_seconds"] == 0
    assert [one["text"] for one in told["timeline"][:3]] == [
        "the client sent it", "the backend received it", "the backend wrote it to the database"
    ]  # fmt: skip
    assert [one["where"] for one in told["timeline"] if one["kind"] == "row"] == [
        f"db.activities pk={number}" for number in (324, 325, 326)
    ]
    assert {one["source"] for one in told["timeline"]} == {"client log", "backend log", "db.activities"}
    assert told["cause"]["name"] == "timeout_retry"
    assert "stored 3 times" in told["verdict"] and "proved by the logs" in told["verdict"]
    assert "keep the earliest row" in told["advice"]


def test_a_picture_without_its_object_is_told(run: Run, incident: Path) -> None:
    told = report_of(run("explain", PICTURE, "-f", "json", cwd=incident))["explanation"]
    assert told["cause"]["name"] == "row_before_object"
    assert told["cause"]["enabled_by"] == ["no_idempotency_check"]
    assert "404" in told["verdict"]
    assert told["timeline"][-1]["kind"] == "object"
    assert told["timeline"][-1]["at"] is None


def test_a_healthy_id_is_said_to_be_healthy(run: Run, incident: Path) -> None:
    with closing(sqlite3.connect(incident / "app.db")) as db:
        stored = [row[0] for row in db.execute("SELECT id FROM screenshots WHERE id IS NOT NULL ORDER BY id")]
    told = json.loads((incident / "truth.json").read_text(encoding="utf-8"))
    healthy = next(item for item in stored if item not in {one for case in told["cases"] for one in case["ids"]})
    told = report_of(run("explain", healthy, "-f", "json", cwd=incident))["explanation"]
    assert told["cause"] is None
    assert "stored once" in told["verdict"] and "its object is there" in told["verdict"]


def test_an_id_that_only_the_logs_know(run: Run, incident: Path) -> None:
    line = "2025-12-24T08:00:00Z 发送 activity_99\n"
    with (incident / "logs" / "app-console.log").open("a", encoding="utf-8") as log:
        log.write(line)
    told = report_of(run("explain", "activity_99", "-f", "json", cwd=incident))["explanation"]
    assert told["verdict"] == "The client sent it, and the backend never received it."


def test_an_id_that_no_source_knows_is_4(run: Run, incident: Path) -> None:
    for ident in ("activity_1", "'; DROP TABLE activities; --", "\x1b[31m", "%", "a" * 5000, ""):
        done = run("explain", ident, cwd=incident)
        if ident:
            assert done.code == 4, (ident, done.err)
            assert "no source knows the ID" in said(done)
        assert b"\x1b" not in done.err


def test_a_source_that_fails_leaves_what_the_others_say(run: Run, incident: Path) -> None:
    shutil.rmtree(incident / "objects")
    done = run("explain", PICTURE, "-f", "json", cwd=incident)
    report = report_of(done)
    assert done.code == 3
    assert [row["source"] for row in report["coverage"] if row["status"] == "failed"] == ["objects"]
    assert "404" not in report["explanation"]["verdict"]
    assert len(report["explanation"]["timeline"]) > 3


def test_nothing_is_said_of_an_id_whose_database_could_not_be_read(run: Run, incident: Path) -> None:
    (incident / "app.db").write_bytes(b"no database" * 100)
    for arguments in (["activity_1"], [FIRST], [FIRST, "--db", "postgresql://u@127.0.0.1:1/x"]):
        done = run("explain", *arguments, "-f", "json", cwd=incident)
        told = report_of(done)["explanation"]
        assert done.code == 3
        assert told["verdict"] == "No row of it was found, and not every source could be read."
        assert told["cause"] is None


def test_a_story_without_logs_and_objects_skips_them(run: Run, incident: Path) -> None:
    done = run("explain", FIRST, "--db", f"sqlite:///{incident}/app.db", "-f", "json")
    report = report_of(done)
    assert done.code == 0
    assert {name for name, status in statuses(report).items() if status == "skipped"} == {"logs.*.*", "objects.*.*"}
    assert report["explanation"]["cause"]["confidence"] == "likely"


def test_a_shard_that_cannot_be_opened_makes_orphans_unknown(run: Run, incident: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database" * 100)
    shards = ("--db", f"a=sqlite:///{incident}/app.db", "--db", f"b=sqlite:///{tmp_path}/broken.db")
    report = report_of(run("audit", *shards, "-f", "json", cwd=incident))
    orphans = {one["verdict"] for one in report["findings"] if one["check"] == "orphan_object"}
    assert orphans == {"unknown"}
    assert statuses(report)["b.*.*"] == "failed"
    assert len([row for row in report["coverage"] if row["source"] == "b"]) == 1
    assert causes(report)["activity_1766557428498"] == "timeout_retry"
    assert "NOT EVERYTHING could be looked at" in report["summary"]["five_lines"]["what"]
