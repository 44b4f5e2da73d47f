"""One small report with something of everything, and the files that hold what each format makes of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dedupaudit.model import Report
from tests.reports import samples

FOLDER = Path(__file__).parent / "golden"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))
DATABASE = "3f5a" * 16
FIRST_NIGHT = "2025-12-22T02:00:09.700Z"


def assert_golden(name: str, text: str) -> None:
    """Hold text against the file of that name, byte for byte; with UPDATE_GOLDEN=1 the file is written anew."""
    path = FOLDER / name
    if UPDATE:
        path.write_text(text, encoding="utf-8", newline="\n")
    assert path.read_bytes().decode() == text, f"run with UPDATE_GOLDEN=1 and read the difference of {path}"


def golden_report() -> Report:
    """Return a night's audit: a new duplicate, known ones, one in grace, one gone, and a check that failed."""
    made = samples.report(_findings(), _coverage(), _tables(), complete=False, repairs=[_repair()])
    document = made.model_dump(mode="json", by_alias=True)
    document["run"] |= {
        "command": "audit",
        "started_at": "2025-12-25T02:00:00.000Z",
        "finished_at": "2025-12-25T02:00:09.500Z",
        "databases": {"db": DATABASE},
        "last_complete_at": "2025-12-24T02:00:09.400Z",
    }
    document["summary"] |= {
        "objects": {samples.STORE: _objects()},
        "logs": _logs(),
        "five_lines": _five_lines(),
        "changes": _changes(),
        "thresholds": [
            {"source": "db", "target": "activities", "check": "null_ids", "limit": "10", "rows": 3, "exceeded": False},
            {
                "source": "db",
                "target": "activities",
                "check": "duplicate_ids",
                "limit": "0.001%",
                "rows": 3,
                "exceeded": True,
            },
        ],
    }
    return Report.model_validate(document)


def _findings() -> list[dict[str, Any]]:
    return [
        samples.duplicate(
            0,
            news="new",
            evidence=[
                _row("2025-12-24T08:01:14.487Z", 7, "row 1 of 3"),
                _row("2025-12-24T08:03:14.487Z", 9, "row 3 of 3"),
                {
                    "kind": "log",
                    "at": "2025-12-24T08:01:44.490Z",
                    "where": "logs/app-console.log:88",
                    "text": "timeout (30 s), back into the queue activity_1766557428498",
                },
            ],
            cause={
                "name": "timeout_retry",
                "confidence": "proved",
                "why": "the client sent it again after a timeout, and both were received",
                "enabled_by": ["missing_unique"],
            },
        ),
        samples.duplicate(
            1,
            count=2,
            news="known",
            known_since=FIRST_NIGHT,
            message="activity_1766557428499 is stored 2 times; the rows differ in data",
            evidence=[_row("2025-12-21T09:00:00Z", 3, "row 1 of 2"), _row("2025-12-21T09:00:00Z", 4, "row 2 of 2")],
            cause={"name": "id_collision", "confidence": "likely", "why": "the devices differ"},
            differs=["data"],
            gap_seconds=0.0,
            first_at="2025-12-21T09:00:00Z",
            last_at="2025-12-21T09:00:00Z",
            suggestion="compare the rows before anything is deleted: two real events may share this ID",
            **{"class": "conflicting"},
        ),
        samples.finding(
            "null_ids",
            fingerprint="c" * 64,
            key={},
            message="3 rows have no ID: activity_id is NULL",
            suggestion="find out which client sends no ID; then make the column NOT NULL",
            news="known",
            known_since=FIRST_NIGHT,
        ),
        samples.finding(
            "missing_object",
            fingerprint="d" * 64,
            target="screenshots",
            key={"id": "screenshot_1766557428498"},
            count=1,
            verdict="in_grace",
            message="screenshot_1766557428498 has no object yet: the row is younger than the grace period",
            suggestion="look again later",
        ),
        samples.finding(
            "orphan_object",
            fingerprint="e" * 64,
            severity="medium",
            source="objects",
            target=samples.STORE,
            key={"object_key": "screenshots/desk-1/screenshot_17.jpg"},
            count=1,
            message="no row names screenshots/desk-1/screenshot_17.jpg (48,211 bytes)",
            suggestion="see whether a row was deleted; `repair plan` quarantines the object",
            news="known",
            known_since="2025-12-24T02:00:09.400Z",
            evidence=[
                {
                    "kind": "object",
                    "at": "2025-12-20T11:00:00Z",
                    "where": "oss://pictures/screenshots/desk-1/screenshot_17.jpg",
                    "text": "48,211 bytes",
                }
            ],
        ),
    ]


def _row(at: str, key: int, text: str) -> dict[str, Any]:
    return {"kind": "row", "at": at, "where": f"db.activities pk={key}", "text": text}


def _coverage() -> list[dict[str, Any]]:
    slow = "the statement took longer than 30 min; raise --timeout"
    listed = {"strategy": "listing", "why": f"rows, then a listing of {samples.STORE}"}
    return [
        *samples.covered("activities", ("duplicate_ids", "null_ids"), rows=50_003),
        *samples.covered("activities", ("stuck_upload",), status="skipped", strategy=None, reason=samples.NO_STATUS),
        *samples.covered("screenshots", ("duplicate_ids",), rows=1_204),
        *samples.covered("screenshots", ("near_equal_ids",), rows=None, status="stopped", reason=slow),
        *samples.covered("screenshots", ("missing_object",), rows=1_204, **listed),
        *samples.covered("screenshots", ("etag_mismatch",), status="failed", rows=None, reason="access denied"),
        *samples.covered(samples.STORE, ("orphan_object",), source="objects", rows=1_204, **listed),
    ]


def _tables() -> dict[str, Any]:
    activities: dict[str, Any] = {
        "distinct_ids": 49_997,
        "duplicate_ids": 2,
        "duplicate_rows": 5,
        "surplus_rows": 3,
        "inflation": 3 / 49_997,
        "null_ids": 3,
        "by_group": [{"group": "click", "rows": 3, "distinct_ids": 1, "inflation": 2.0}],
        "by_day": [{"day": "2025-12-21", "surplus_rows": 1}, {"day": "2025-12-24", "surplus_rows": 2}],
        "causes": {"timeout_retry": {"proved": 1}, "id_collision": {"likely": 1}},
    }
    return {"db.activities": samples.table(50_003) | activities, "db.screenshots": samples.table(1_204)}


def _objects() -> dict[str, Any]:
    return {
        "rows": 1_204,
        "objects": 1_204,
        "bytes": 58_046_044,
        "missing_object": 1,
        "orphan_object": 1,
        "orphan_bytes": 48_211,
        "missing_bytes": 51_200,
        "requests": {"list": 2, "head": 2, "other": 0},
    }


def _logs() -> dict[str, Any]:
    gaps = {"send_to_requeue": [{"from": 30.0, "to": 60.0, "count": 1}], "requeue_to_send": []}
    return {"files": 1, "lines": 1_204, "bytes": 90_210, "events": {"send": 2, "timeout": 1}, "gaps": gaps}


def _five_lines() -> dict[str, Any]:
    return {
        "what": "2 IDs of db.activities are stored more than once",
        "how_much": "3 surplus rows, 0.006 % of its IDs",
        "since": "the first is of 2025-12-21, the last of 2025-12-24",
        "why": "1 of 2 is a retry after a timeout (proved); nothing keeps activity_id unique",
        "next": ["dedupaudit explain activity_1766557428498", "dedupaudit repair plan activities -o plan.jsonl"],
    }


def _changes() -> dict[str, Any]:
    gone = {
        "fingerprint": "9" * 64,
        "check": "duplicate_ids",
        "severity": "high",
        "source": "db",
        "target": "activities",
        "key": {"activity_id": "activity_1766550000000"},
        "known_since": FIRST_NIGHT,
    }
    return {
        "baseline": "last",
        "baseline_run": "20251224T020000Z-9c8b7a6d",
        "baseline_at": "2025-12-24T02:00:09.400Z",
        "new": 1,
        "known": 3,
        "gone": 1,
        "not_looked_at": 1,
        "new_by_severity": {"high": 1, "medium": 0, "low": 0},
        "gone_findings": [gone],
    }


def _repair() -> dict[str, Any]:
    return {
        "run": "20251224T120000Z-5e6f7a8b",
        "source": "db",
        "target": "activities",
        "state": "done",
        "started_at": "2025-12-24T12:00:00Z",
        "finished_at": "2025-12-24T12:00:01Z",
        "by": "kim on db-admin-1",
        "groups": 1,
        "rows_deleted": 2,
        "rows_journalled": 2,
        "rows_in_quarantine": 2,
        "holds": True,
        "said": ["2 rows were deleted, 2 are in the journal, 2 are in quarantine"],
    }
