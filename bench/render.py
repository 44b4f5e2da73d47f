"""Measures `report FILE -f FORMAT` on 100,000 findings: whole commands, from start-up to the last line.

Run it as `.venv/bin/python -m bench.render [--quick] [FORMAT…]` (--quick: a tenth of the findings). Each format that
lists findings must take at most 5 s and 300 MB of resident memory; the others are measured too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

from bench.measure import PROGRAM
from dedupaudit.model import Finding, Report, fingerprint
from dedupaudit.reports import FORMATS, Style

FINDINGS = 100_000
SECONDS = 5.0
MEGABYTES = 300.0
ROUNDS = 3
LISTING = ("json", "jsonl", "csv", "junit", "sarif")
"""Formats that have every finding, or look at each."""

_FIRST = 1_766_534_400_000
_AROUND = (
    '{"schema": "dedupaudit.report/1", "tool": {"version": "0"}, "run": {"id": "20251224T080500Z-1a2b3c4d",'
    ' "command": "audit", "started_at": "2025-12-24T08:05:00Z", "finished_at": "2025-12-24T08:06:00Z"},'
    ' "complete": true, "coverage": [{"source": "db", "target": "activities", "check": "duplicate_ids",'
    ' "status": "checked", "rows": 5000000, "strategy": "pushdown", "seconds": 41.5}], "summary":'
    ' {"findings": %d, "by_check": {"duplicate_ids": %d}, "by_severity": {"high": %d}, "by_verdict":'
    ' {"confirmed": %d}, "tables": {"db.activities": {"rows": 5000000}}}, "findings": [], "truncated": false}'
)


def generate(path: Path, findings: int) -> None:
    """Write the report as `audit -f json` does; it is the same in every run."""
    report = Report.model_validate_json(_AROUND % ((findings,) * 4))
    report = report.model_copy(update={"findings": tuple(_finding(number) for number in range(findings))})
    with path.open("w", encoding="utf-8") as out:
        FORMATS["json"](report, out, Style())


def _finding(number: int) -> Finding:
    """Return a duplicate as an audit tells it: two rows, a cause, what to do."""
    name = f"activity_{_FIRST + 37 * number}"
    key = {"activity_id": name}
    at = ("2025-12-24T08:01:14.487Z", "2025-12-24T08:03:14.487Z")
    row = "row {} of 2: type=click, device_id=desk-{}, created_at={}"
    return Finding.model_validate(
        {
            "fingerprint": fingerprint("duplicate_ids", "db", "activities", key),
            "check": "duplicate_ids",
            "severity": "high",
            "source": "db",
            "target": "activities",
            "key": key,
            "count": 2,
            "class": "identical",
            "first_at": at[0],
            "last_at": at[1],
            "gap_seconds": 120.0,
            "message": f"{name} is stored 2 times; the rows are identical",
            "evidence": [
                {
                    "kind": "row",
                    "at": moment,
                    "where": f"db.activities pk={2 * number + place}",
                    "text": row.format(place, number % 500, moment),
                }
                for place, moment in enumerate(at, start=1)
            ],
            "cause": {
                "name": "timeout_retry",
                "confidence": "likely",
                "why": "the rows are identical and 120 s apart, as long as a client waits before it sends again",
                "enabled_by": ["missing_unique"],
            },
            "suggestion": "keep the earliest row; then add the unique constraint that keeps the next retry out",
        }
    )


def measured(report: Path, form: str, target: Path) -> tuple[float, float]:
    """Return the best wall seconds of some rounds, and the peak resident megabytes of the hungriest."""
    best, most = float("inf"), 0.0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        process = subprocess.Popen([PROGRAM, "report", str(report), "-f", form, "-o", str(target)])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{form} ended with {process.returncode}")
        best = min(best, time.perf_counter() - started)
        most = max(most, usage.ru_maxrss * 1024 / 1e6)
    return best, most


def main() -> None:
    """Measure and print; exits 1 where a limit is missed."""
    names = [name for name in sys.argv[1:] if name in FORMATS] or list(FORMATS)
    findings = FINDINGS // 10 if "--quick" in sys.argv else FINDINGS
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        # In a process of its own: a child's peak begins with what its parent holds.
        writer = Process(target=generate, args=(report, findings))
        writer.start()
        writer.join()
        print(f"{findings:,} findings, {report.stat().st_size / 1e6:,.0f} MB")
        print(f"{'format':12} {'seconds':>8} {'memory':>10} {'written':>11}")
        for name in names:
            target = Path(folder, "out")
            seconds, megabytes = measured(report, name, target)
            written = target.stat().st_size / 1e6
            over = seconds > SECONDS or megabytes > MEGABYTES
            if over and name in LISTING:
                missed.append(name)
            limit = " over 5 s or 300 MB" if over else ""
            print(f"{name:12} {seconds:6.2f} s {megabytes:7.0f} MB {written:8.2f} MB{limit}")
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
