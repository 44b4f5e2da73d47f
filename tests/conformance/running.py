"""Runs the scan in this process and reads its report back from JSON, as a program would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dedupaudit.building import FindingSink, Outcome
from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest, scan
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import Engine, TableSource
from dedupaudit.urls import parse_database_url

Content = dict[str, Any]


def configured(url: str, tables: dict[str, TableSettings] | None = None, timeout: float | None = None) -> Settings:
    """Return settings of one database, called db."""
    return Settings(databases=(DatabaseSettings("db", parse_database_url(url), timeout),), tables=tables or {})


def scanned(
    url: str,
    configuration: dict[str, TableSettings] | None = None,
    *,
    timeout: float | None = None,
    sink: FindingSink | None = None,
    **request: Any,
) -> Outcome:
    """Scan one database."""
    asked = ScanRequest(**request)
    return scan(configured(url, configuration, timeout), asked, interrupt=Interrupt(), progress=SILENT, sink=sink)


def report_of(outcome: Outcome) -> Content:
    """Return the report as the JSON that it prints."""
    content: Content = json.loads(outcome.report.model_dump_json(by_alias=True))
    return content


def agreed(engines: Sequence[Engine], url: str, configuration: dict[str, TableSettings], **request: Any) -> Content:
    """Scan with each engine, assert that all of them say the same, and return the last one's report."""
    reports = [report_of(scanned(url, configuration, engine=engine, **request)) for engine in engines]
    first = _parts(reports[0])
    for engine, report in zip(engines[1:], reports[1:], strict=True):
        for name, part in _parts(report).items():
            assert part == first.get(name), f"{engine} and {engines[0]} differ in {name}:\n{part}\n{first.get(name)}"
    return reports[-1]


def _parts(report: Content) -> Content:
    """Return what may not depend on the engine: everything but the run, the times, and the strategy with its reason."""
    named = ("source", "target", "check", "status", "reason", "rows")
    coverage = {row["check"]: {name: row[name] for name in named} for row in report["coverage"]}
    findings = {f"finding {number}": finding for number, finding in enumerate(report["findings"])}
    return findings | coverage | {name: report[name] for name in ("summary", "complete", "truncated")}


def findings_of(report: Content, *checks: str) -> list[Content]:
    """Return the findings of some checks."""
    return [finding for finding in report["findings"] if finding["check"] in checks]


def source_of(url: str, timeout: float | None = None) -> TableSource:
    """Open a database as the audit does."""
    return open_source(configured(url, timeout=timeout).databases[0], Interrupt(), SILENT)
