"""Reports for the tests of what people and programs read: clean, looked up, damaged, incomplete, hostile, large."""

from __future__ import annotations

from typing import Any

from dedupaudit.model import ObjectsSummary, Report

CHECKS = (
    "duplicate_ids",
    "null_ids",
    "blank_ids",
    "near_equal_ids",
    "missing_unique",
    "invalid_index",
    "redundant_index",
    "index_disagrees",
    "illegal_state",
    "stuck_upload",
    "incomplete_row",
)
ROW_CHECKS = ("missing_object", "size_mismatch", "etag_mismatch", "unexpected_object", "misplaced_object")
STORE_CHECKS = ("orphan_object", "shared_object", "multipart_leftover")
STORE = "oss://pictures/screenshots/"
NO_STATUS = "not an upload table: it has no status column"
KEEP_EARLIEST = "keep the earliest row; then add the unique constraint that keeps the next retry out"
SEVERITY = {
    **dict.fromkeys(("duplicate_ids", "index_disagrees", "missing_object", "size_mismatch", "etag_mismatch"), "high"),
    **dict.fromkeys(("near_equal_ids", "redundant_index", "multipart_leftover", "unexpected_object"), "low"),
}

# What a key, a name or a message may hold, and no terminal, spreadsheet or program may act upon.
HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\nb\tc\r",
    "nul\x00",
    "del\x7f",
    "\u202eevil\u2066",
    "zero\u200bwidth\ufeff",
    "line\u2028para\u2029",
    "[bold]markup[/bold]",
    ":smile:",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    'it\'s "quoted"; DROP TABLE x; --',
    "  edges  ",
    "",
    "\u0301combining",
    "中文" * 30,
    "x" * 5000,
    "😀👩\u200d🚀",
    "\ufffd",
    "tag\U000e0041",
)


def finding(check: str = "duplicate_ids", **changes: Any) -> dict[str, Any]:
    return {
        "fingerprint": "ab" * 32,
        "check": check,
        "severity": SEVERITY.get(check, "medium"),
        "verdict": "confirmed",
        "source": "db",
        "target": "activities",
        "key": {"activity_id": "activity_1766557428498"},
        "count": 3,
        "message": f"{check}: something is wrong",
        "suggestion": "do something about it",
    } | changes


def duplicate(number: int = 0, **changes: Any) -> dict[str, Any]:
    name = f"activity_{1766557428498 + number}"
    return (
        finding(message=f"{name} is stored 3 times; the rows are identical", suggestion=KEEP_EARLIEST)
        | {
            "fingerprint": f"{number:064x}",
            "key": {"activity_id": name},
            "class": "identical",
            "first_at": "2025-12-24T08:01:14.487Z",
            "last_at": "2025-12-24T08:03:14.487Z",
            "gap_seconds": 120.0,
            "evidence": [
                {"kind": "row", "at": "2025-12-24T08:01:14.487Z", "where": "db.activities pk=7", "text": "row 1 of 3"}
            ],
        }
        | changes
    )


def covered(target: str, checks: tuple[str, ...] = CHECKS, source: str = "db", **changes: Any) -> list[dict[str, Any]]:
    return [
        {
            "source": source,
            "target": target,
            "check": check,
            "status": "checked",
            "rows": 50_000,
            "strategy": "pushdown",
            "why": "GROUP BY in SQLite, without an index" if check == "duplicate_ids" else None,
            "seconds": 0.1,
        }
        | changes
        for check in checks
    ]


def table(rows: int | None = 50_000, duplicates: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a table's totals; each duplicate ID has three rows."""
    if rows is None:
        return {}
    distinct = rows - 2 * duplicates
    return {
        "rows": rows,
        "distinct_ids": distinct,
        "duplicate_ids": duplicates,
        "duplicate_rows": 3 * duplicates,
        "surplus_rows": 2 * duplicates,
        "inflation": 2 * duplicates / distinct,
        "null_ids": 0,
        "blank_ids": 0,
    } | changes


def report(
    findings: list[dict[str, Any]] | None = None,
    coverage: list[dict[str, Any]] | None = None,
    tables: dict[str, Any] | None = None,
    **changes: Any,
) -> Report:
    findings = findings or []
    coverage = covered("activities") if coverage is None else coverage

    def counted(field: str, names: tuple[str, ...]) -> dict[str, int]:
        return {name: sum(one[field] == name for one in findings) for name in names}

    ran = tuple(dict.fromkeys(row["check"] for row in coverage if row["status"] == "checked"))
    return Report.model_validate(
        {
            "schema": "dedupaudit.report/1",
            "tool": {"name": "dedupaudit", "version": "0.1.0"},
            "run": {
                "id": "20251224T080500Z-1a2b3c4d",
                "command": "scan",
                "started_at": "2025-12-24T08:05:00.000Z",
                "finished_at": "2025-12-24T08:05:01.400Z",
            },
            "complete": True,
            "coverage": coverage,
            "summary": {
                "findings": len(findings),
                "by_check": counted("check", ran),
                "by_severity": counted("severity", ("high", "medium", "low")),
                "by_verdict": counted("verdict", ("confirmed", "in_grace", "unknown")),
                "tables": {"db.activities": table()} if tables is None else tables,
            },
            "findings": findings,
            "truncated": False,
        }
        | changes
    )


def clean() -> Report:
    return report(
        coverage=[*covered("activities"), *covered("screenshots"), *covered("processes", CHECKS[:8])],
        tables={"db.activities": table(), "db.screenshots": table(1_204), "db.processes": table(17)},
    )


def looked_up() -> Report:
    """Return a report whose duplicates were ruled out by the catalog: nothing was counted."""
    why = "pk_screenshots keeps the key unique"
    return report(
        coverage=covered("screenshots", ("duplicate_ids",), strategy="catalog", rows=None, why=why),
        tables={"db.screenshots": {"duplicate_ids": 0, "duplicate_rows": 0, "surplus_rows": 0, "inflation": 0.0}},
    )


def damaged() -> Report:
    """Return a report with something of everything."""
    return report(
        findings=[*_duplicates(), *_other_findings()],
        coverage=[
            *covered("activities", CHECKS[:8]),
            *covered("activities", CHECKS[8:], status="skipped", strategy=None, reason=NO_STATUS),
            *covered("screenshots"),
            *covered("processes", CHECKS[:8], strategy="catalog", rows=None, why="processes_pk keeps the key unique"),
            *covered("processes", CHECKS[8:], status="skipped", strategy=None, reason=NO_STATUS),
        ],
        tables={
            "db.activities": table(52_103, 1_050, null_ids=3, by_day=_days(), by_group=_kinds()),
            "db.screenshots": table(
                1_204,
                1,
                blank_ids=2,
                by_day=[{"day": "2025-12-11", "surplus_rows": 2}, {"day": None, "surplus_rows": 1}],
            ),
            "db.processes": {"duplicate_ids": 0, "duplicate_rows": 0, "surplus_rows": 0, "inflation": 0.0},
        },
    )


def _days() -> list[dict[str, Any]]:
    return [{"day": f"2025-12-{day:02d}", "surplus_rows": day * day % 97 + 1} for day in range(1, 25) if day != 20]


def _kinds() -> list[dict[str, Any]]:
    return [
        {"group": "click", "rows": 3_000, "distinct_ids": 1_000, "inflation": 2.0},
        {"group": "scroll", "rows": 1_200, "distinct_ids": 1_100, "inflation": 0.0909},
        {"group": None, "rows": 2, "distinct_ids": 1, "inflation": 1.0},
    ]


def _duplicates() -> list[dict[str, Any]]:
    same_moment = {"count": 2, "gap_seconds": 0.0, "last_at": "2025-12-24T08:01:14.487Z"}
    conflicting = {
        "class": "conflicting",
        "differs": ["data", "type"],
        "suggestion": "compare the rows before anything is deleted: two real events may share this ID",
    }
    mergeable = {
        "target": "screenshots",
        "key": {"id": "screenshot_1766557428498"},
        "class": "mergeable",
        "differs": ["status", "oss_url"],
        "last_at": "2025-12-25T09:00:00Z",
        "gap_seconds": 89_925.5,
        "suggestion": "keep the row that came furthest, merged with the others; then add the unique constraint",
    }
    return [
        *(duplicate(number, count=12 - number) for number in range(6)),
        duplicate(7, **same_moment, **conflicting),
        *(duplicate(20 + number, count=2) for number in range(4)),
        duplicate(30, **mergeable),
    ]


def _other_findings() -> list[dict[str, Any]]:
    return [
        finding(
            "null_ids",
            key={},
            count=3,
            message="3 rows have no ID: activity_id is NULL",
            suggestion="find out which client sends no ID; then make the column NOT NULL",
        ),
        *(
            finding(
                "missing_unique",
                key={},
                count=1,
                target=target,
                message="no constraint keeps id unique: the next retry becomes another row",
                suggestion="remove the duplicates and add a unique constraint on (id):"
                " `dedupaudit migrate plan` shows each step",
            )
            for target in ("activities", "screenshots")
        ),
        *(
            finding(
                "stuck_upload",
                key={"id": f"screenshot_{number}"},
                count=1,
                target="screenshots",
                verdict="in_grace" if number == 3 else "confirmed",
                message=f"screenshot_{number} has been uploading since 2025-12-23 08:00 (24 h)",
                suggestion="put it back to pending, so that it is sent again",
            )
            for number in range(4)
        ),
        finding(
            "near_equal_ids",
            count=2,
            message="Activity_1, activity_1 are different IDs today, and one after trimming, case folding or "
            "Unicode normalisation",
            suggestion="find the client that writes the odd form; another collation or a clean-up would join them",
        ),
    ]


def incomplete() -> Report:
    """Return a report of a run that read one database in part, and another not at all."""
    slow = "the statement took longer than 30 min; raise --timeout"
    gone = "cannot connect: connection refused; is the server up?"
    return report(
        findings=[duplicate(source="shard1")],
        coverage=[
            *covered("activities", CHECKS[:3], source="shard1"),
            *covered("activities", CHECKS[3:4], source="shard1", status="stopped", reason=slow),
            *covered("*", ("*",), source="shard2", status="failed", strategy=None, rows=None, reason=gone),
        ],
        tables={"shard1.activities": table(5_000_002, 1)},
        complete=False,
    )


def hostile() -> Report:
    """Return a report in which every foreign text is hostile."""
    findings = [
        *(_hostile_duplicate(number, text) for number, text in enumerate(HOSTILE)),
        *(finding("missing_unique", message=text, suggestion=text, source=text, target=text) for text in HOSTILE),
    ]
    coverage = [row for text in HOSTILE for row in covered(text, ("duplicate_ids",), source=text, why=text)]
    coverage += covered("t", ("null_ids",), status="failed", reason="\x1b[2J" + "".join(HOSTILE))
    groups = [{"group": text, "rows": 3, "distinct_ids": 1, "inflation": 2.0} for text in HOSTILE]
    days = [{"day": "2025-12-24", "surplus_rows": 2}, {"day": "\x1b[5m", "surplus_rows": 1}]
    tables = {text: table(30, 2, by_group=groups, by_day=days) for text in HOSTILE}
    stores = [f"oss://{text}" for text in HOSTILE]
    findings += [finding("orphan_object", source="objects", target=one, key={one: one}, message=one) for one in stores]
    made = report(findings, coverage, tables, complete=False)
    objects = {one: ObjectsSummary(rows=-1, objects=2**70, bytes=2**70, missing_object=3) for one in stores}
    return made.model_copy(update={"summary": made.summary.model_copy(update={"objects": objects})})


def _hostile_duplicate(number: int, text: str) -> dict[str, Any]:
    return duplicate(
        number,
        key={text: text, "b": number},
        key_raw={"b": {"base64": "/w=="}},
        count=2,
        source=text,
        target=text,
        differs=[text],
        message=text,
        suggestion=text,
        first_at=text,
        last_at=text,
        gap_seconds=-1.5,
        cause={"name": text, "confidence": "likely", "why": text},
        evidence=[{"kind": "log", "where": text, "text": text}],
    )


def crosschecked() -> Report:
    """Return a report of rows held against a bucket: something of everything, not all of it certain."""
    key = "screenshots/desk-1/screenshot_1766557428498.jpg"
    return _of_store(
        [
            *(_missing(number, verdict) for number, verdict in enumerate(["confirmed"] * 3 + ["unknown", "in_grace"])),
            _of_object("orphan_object", message=f"no row names {key} (1,234,567,890 bytes)"),
            _of_object("orphan_object", verdict="in_grace", message=f"no row names {key}x (7 bytes): it is young"),
            _of_object("multipart_leftover", count=12, message=f"an upload was begun for {key} and not ended"),
        ],
        {
            "rows": 5_000_002,
            "objects": 4_812_345,
            "bytes": 1_234_567_890_123,
            **dict.fromkeys((*ROW_CHECKS, *STORE_CHECKS), 0),
            **{"missing_object": 5, "orphan_object": 2, "multipart_leftover": 1},
            **{"missing_bytes": None, "orphan_bytes": 1_234_567_897, "multipart_bytes": 52_428_800},
            "requests": {"list": 4_813, "head": 7, "other": 1},
        },
        complete=False,
    )


def distrusted() -> Report:
    """Return a report of a look at objects that could not be believed: nobody was judged."""
    reason = "4,998,000 of 5,000,002 rows miss their object: more than --max-missing allows (50%)"
    found = {"rows": 5_000_002, "objects": 17, "bytes": 0, "requests": {"list": 2, "head": 0, "other": 0}}
    return _of_store([], found, complete=False, status="failed", reason=reason, rows=None)


def _of_store(findings: list[dict[str, Any]], totals: dict[str, Any], *, complete: bool, **became: Any) -> Report:
    told = {"strategy": "listing", "why": f"rows, then a listing of {STORE}", **became}
    coverage = [
        *covered("screenshots", ROW_CHECKS, **told),
        *covered(STORE, STORE_CHECKS, source="objects", **told),
    ]
    made = report(findings, coverage, tables={}, complete=complete)
    summary = made.summary.model_copy(update={"objects": {STORE: ObjectsSummary.model_validate(totals)}})
    run = made.run.model_copy(update={"command": "crosscheck"})
    return made.model_copy(update={"summary": summary, "run": run})


def _missing(number: int, verdict: str) -> dict[str, Any]:
    name = f"screenshot_{1766557428498 + number}"
    why = {"in_grace": ": the row is younger than the grace period", "unknown": ": it could not be looked at again"}
    return finding(
        "missing_object",
        target="screenshots",
        key={"id": name},
        count=1,
        verdict=verdict,
        message=f"{name} has no object screenshots/desk-1/{name}.jpg{why.get(verdict, '')}",
        suggestion="look for a backup before the row is removed",
        evidence=[
            {"kind": "object", "at": "2025-12-24T08:03:14Z", "where": f"{STORE} screenshots/{name}.JPG", "text": "near"}
        ],
    )


def _of_object(check: str, **changes: Any) -> dict[str, Any]:
    key = {"object_key": "screenshots/desk-1/screenshot_1766557428498.jpg"}
    return finding(check, source="objects", target=STORE, key=key, **{"count": 1, **changes})


def large(findings: int = 1_000, total: int = 1_234_567) -> Report:
    made = report([duplicate(number) for number in range(findings)], tables={"db.activities": table(5_000_000, total)})
    by_check = {**made.summary.by_check, "duplicate_ids": total, "null_ids": 1}
    summary = made.summary.model_copy(
        update={"findings": total, "by_check": by_check, "by_severity": {"high": total, "medium": 0, "low": 0}}
    )
    return made.model_copy(update={"summary": summary, "truncated": True})


def several_databases() -> Report:
    shards = [f"shard{number}" for number in range(1, 5)]
    return report(
        [duplicate(number, source=shard) for number, shard in enumerate(shards)],
        [row for shard in shards for row in covered("activities", source=shard)],
        {f"{shard}.activities": table(1_000_000 * number, number) for number, shard in enumerate(shards, start=1)},
    )


ALL = (
    clean,
    looked_up,
    damaged,
    incomplete,
    hostile,
    large,
    several_databases,
    crosschecked,
    distrusted,
)
"""Every kind of report there is, for what must hold of any."""
