"""Measures the HTML page of 1,000 findings: its size, how long it takes to be made, and to be used in Chromium.

Run it as `.venv/bin/python -m bench.page`; it ends with 1 where a figure is over its limit. It also renders 100,000
findings, of which the page shows 1,000.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.measure import PROGRAM, run
from dedupaudit.model import Report
from dedupaudit.reports import FORMATS, Style

FINDINGS, MANY = 1_000, 100_000
SIZE_LIMIT, INTERACTIVE_LIMIT, MANY_LIMIT, MEMORY_LIMIT = 2_000_000, 1.0, 5.0, 300_000_000
ROUNDS = 5

# Until the frame after the click is painted.
_CLICK = """(selector) => new Promise((done) => {
    const start = performance.now();
    document.querySelector(selector).click();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""
_TYPE = """(text) => new Promise((done) => {
    const start = performance.now();
    const field = document.getElementById("filter-text");
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""


def finding(number: int) -> dict[str, object]:
    """Return a duplicate with two rows and the log line that explains them."""
    name = f"activity_{1766557428498 + number}"
    evidence = [
        {
            "kind": "row",
            "at": f"2025-12-24T08:0{at}:14.487Z",
            "where": f"db.activities pk={number * 2 + at}",
            "text": text,
        }
        for at, text in enumerate(("row 1 of 2, the earliest", "row 2 of 2, +60.0 s"))
    ]
    log = {"kind": "log", "at": "2025-12-24T08:00:44.487Z", "where": f"app-console.log:{number}"}
    return {
        "fingerprint": f"{number:064x}",
        "check": "duplicate_ids",
        "severity": "high",
        "source": "db",
        "target": "activities",
        "key": {"id": name},
        "count": 2 + number % 7,
        "class": "identical",
        "first_at": "2025-12-24T08:00:14.487Z",
        "last_at": "2025-12-24T08:01:14.487Z",
        "gap_seconds": 60.0 + number % 90,
        "message": f"{name} is stored 2 times; the rows are identical",
        "evidence": [*evidence, log | {"text": "the client gave up and re-queued it, +30.0 s"}],
        "cause": {
            "name": "timeout_retry",
            "confidence": "proved",
            "why": "the client gave up after 30.0 s and re-queued it between one row and the next",
            "enabled_by": ["missing_unique", "no_idempotency_check"],
        },
        "suggestion": "keep the earliest row; then add the unique constraint that keeps the next retry out",
    }


def write_report(path: Path, findings: int) -> None:
    """Write a report with so many findings."""
    document = {
        "schema": "dedupaudit.report/1",
        "tool": {"name": "dedupaudit", "version": "0"},
        "run": {
            "id": "20251224T080500Z-1a2b3c4d",
            "command": "audit",
            "started_at": "2025-12-24T09:00:00Z",
            "finished_at": "2025-12-24T09:01:00Z",
        },
        "complete": True,
        "coverage": [{"source": "db", "target": "activities", "check": "duplicate_ids", "status": "checked"}],
        "summary": {
            "findings": findings,
            "by_check": {"duplicate_ids": findings},
            "by_severity": {"high": findings, "medium": 0, "low": 0},
            "by_verdict": {"confirmed": findings, "in_grace": 0, "unknown": 0},
            "tables": {},
        },
        "findings": [finding(number) for number in range(findings)],
        "truncated": False,
    }
    with path.open("w", encoding="utf-8") as out:
        FORMATS["json"](Report.model_validate(document), out, Style())


def seconds_in_browser(page: Page, url: str) -> dict[str, float]:
    """Open the page and use it; return what each took."""
    page.goto(url)
    page.wait_for_selector("html[data-ready=true]")
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    return {
        "interactive": loaded / 1000,
        "sorting by count": page.evaluate(_CLICK, "#findings-table th:nth-child(5) button") / 1000,
        "sorting by ID": page.evaluate(_CLICK, "#findings-table th:nth-child(4) button") / 1000,
        "first filtering": page.evaluate(_TYPE, "8499") / 1000,
        "filtering again": page.evaluate(_TYPE, "85") / 1000,
    }


def in_browser(path: Path) -> dict[str, float]:
    """Return the median of each figure over rounds with an empty cache."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        rounds = []
        for _ in range(ROUNDS):
            context = browser.new_context()
            rounds.append(seconds_in_browser(context.new_page(), path.as_uri()))
            context.close()
        browser.close()
    return {name: sorted(one[name] for one in rounds)[ROUNDS // 2] for name in rounds[0]}


def main() -> int:
    """Print the figures; return 1 where one is over its limit."""
    with tempfile.TemporaryDirectory() as folder:
        saved, many, page = Path(folder) / "report.json", Path(folder) / "many.json", Path(folder) / "page.html"
        write_report(saved, FINDINGS)
        write_report(many, MANY)
        made = run([PROGRAM, "report", str(saved), "-f", "html", "-o", str(page)])
        size = page.stat().st_size
        used = in_browser(page)
        large = run([PROGRAM, "report", str(many), "-f", "html", "-o", str(page)], memory=True)
    print(f"{FINDINGS:,} findings: {size / 1e6:.2f} MB (limit {SIZE_LIMIT / 1e6:g}), made in {made.seconds:.2f} s")
    for name, seconds in used.items():
        print(f"  {name:<16} {seconds * 1000:6.0f} ms (limit {INTERACTIVE_LIMIT * 1000:.0f}), median of {ROUNDS}")
    print(
        f"{MANY:,} findings: {large.seconds:.2f} s (limit {MANY_LIMIT:g}), "
        f"{large.peak_bytes / 1e6:.0f} MB (limit {MEMORY_LIMIT / 1e6:.0f})"
    )
    kept = size <= SIZE_LIMIT and max(used.values()) <= INTERACTIVE_LIMIT
    return 0 if kept and large.seconds <= MANY_LIMIT and large.peak_bytes <= MEMORY_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
