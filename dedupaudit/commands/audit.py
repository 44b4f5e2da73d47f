"""`dedupaudit audit`: scan, crosscheck and logs joined, every duplicate with its cause."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit audit
  dedupaudit audit --db postgresql://auditor@replica/app --logs 'logs/*.log*'
      --objects oss://bucket/screenshots/
  dedupaudit audit activities -f html -o report.html --findings findings.csv
  dedupaudit audit --lock --baseline last -f json -o report.json

Scan TABLES, hold their rows against the objects, and read the logs, in one run over one snapshot: every duplicate with
its cause and the lines that prove it. A part without a source is skipped, and the report says so. Without TABLES: those
of dedupaudit.toml, else activities, screenshots and processes. Reads only.

docs/operations.md has the run-book for what it finds, and recipes for every night.
"""


@click.command("audit", help=HELP)
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=table_names)
@shared("database", "objects", "logs", "checks", "findings", "output", "verdict", "keep", "mask", "talk")
@click.pass_obj
def command(runtime: Runtime, /, tables: tuple[str, ...], **given: Any) -> int:
    """Audit, write the report, and return the exit code."""
    from dedupaudit.commands.running import run_audit

    refuse_bytes(tables)
    return run_audit(runtime, settings_of(given), tables)
