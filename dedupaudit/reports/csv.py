"""`-f csv`: a row for each finding, the same as `--findings FILE.csv` has."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.display import to_ascii
from dedupaudit.model import Report
from dedupaudit.reports import Style
from dedupaudit.reports.findings import COLUMNS, csv_line, csv_row
from dedupaudit.reports.streams import is_utf8


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write a header and the findings; what was not checked is in the JSON report, and in no row here."""
    take = str if is_utf8(out) else to_ascii
    out.write(csv_row(COLUMNS))
    for finding in report.findings:
        out.write(take(csv_line(finding)))
