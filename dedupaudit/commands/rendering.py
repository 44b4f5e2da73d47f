"""Renders a report to stdout or a file, in the form and with the colours that the stream can take."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.model import Report
from dedupaudit.nearest import did_you_mean
from dedupaudit.reports import FORMATS, Style
from dedupaudit.reports.write import write_report

if TYPE_CHECKING:
    from dedupaudit.config import Options


def destination(options: Options) -> Path | None:
    """Return the file that the report goes to, or None for stdout."""
    return None if options.output == "-" else Path(options.output)


def report_to(report: Report, options: Options) -> None:
    """Write a report where the options say."""
    path = destination(options)
    if options.format not in FORMATS:
        hint = did_you_mean(options.format, FORMATS) or f"the formats are {', '.join(FORMATS)}"
        raise UsageError(f"options.format: there is no format {visible(options.format)}", hint)
    style = _style(to_file=path is not None, color=not options.no_color)
    write_report(path, lambda out: FORMATS[options.format](report, out, style))


def _style(*, to_file: bool, color: bool) -> Style:
    terminal = not to_file and sys.stdout.isatty()
    # A pipe and a file have no width of their own: COLUMNS or 80.
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() and int(columns) else 80
    if terminal:
        width = shutil.get_terminal_size((80, 24)).columns
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    encoding = "utf-8" if to_file else (sys.stdout.encoding or "ascii")
    return Style(width=width, color=color and terminal and not plain, unicode=encoding.lower().startswith("utf"))
