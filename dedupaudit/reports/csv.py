"""`-f csv`: a row for each finding, the same as `--findings FILE.csv` has."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.model import Report
from dedupaudit.reports import Style
from dedupaudit.reports.findings import COLUMNS, csv_line, csv_row
from dedupaudit.reports.streams import is_utf8


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write a header and the findings; what was not checked is in the JSON report, and in no row here."""
    ascii_only = not is_utf8(out)
    out.write(csv_row(COLUMNS))
    for finding in report.findings:
        out.write(csv_line(finding, ascii_only=ascii_only))
