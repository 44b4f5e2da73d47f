"""`-f sarif`."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.model import Report
from dedupaudit.reports import Style


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report."""
    raise NotImplementedError
