"""`dedupaudit scan`: duplicate, NULL, blank and nearly equal IDs, states, and what protects each table."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit scan --db sqlite:///app.db
  dedupaudit scan --db postgresql://auditor@replica/app
  dedupaudit scan activities --check duplicate_ids --fail-on high
  dedupaudit scan -f json -o report.json --findings all.parquet
  dedupaudit scan --baseline last -f junit -o junit.xml

Find duplicate, NULL, blank and nearly equal IDs in TABLES, look at upload states, and say whether a constraint truly
protects each table. Without TABLES: those of dedupaudit.toml, else activities, screenshots and processes. Reads only.
"""


@click.command("scan", help=HELP)
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=table_names)
@shared("database", "findings", "checks", "output", "verdict", "keep", "mask", "talk")
@click.pass_obj
def command(runtime: Runtime, /, tables: tuple[str, ...], **given: Any) -> int:
    """Scan, write the report, and return the exit code."""
    from dedupaudit.commands.running import run_scan

    refuse_bytes(tables)
    return run_scan(runtime, settings_of(given), tables)
