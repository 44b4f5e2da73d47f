"""`-f jsonl`: a line of JSON for each finding, the same as `--findings FILE.jsonl` has."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.model import Report
from dedupaudit.reports import Style
from dedupaudit.reports.findings import json_line
from dedupaudit.reports.streams import is_utf8


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the findings; what was not checked is in the JSON report, and in no line here."""
    ascii_only = not is_utf8(out)
    for finding in report.findings:
        out.write(json_line(finding, ascii_only=ascii_only))
