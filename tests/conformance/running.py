"""Runs the scan in this process and reads its report back from JSON, as a program would."""

from __future__ import annotations

import json
from typing import Any

from dedupaudit.audit import FindingSink, Outcome, ScanRequest, scan
from dedupaudit.config import DatabaseSettings, Settings, TableSettings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.sources.tables import open_source
from dedupaudit.sources.tables.protocol import TableSource
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


def findings_of(report: Content, *checks: str) -> list[Content]:
    """Return the findings of some checks."""
    return [finding for finding in report["findings"] if finding["check"] in checks]


def source_of(url: str, timeout: float | None = None) -> TableSource:
    """Open a database as the audit does."""
    return open_source(configured(url, timeout=timeout).databases[0], Interrupt(), SILENT)
