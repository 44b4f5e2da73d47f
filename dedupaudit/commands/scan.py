"""`dedupaudit scan`: duplicate, NULL, blank and nearly equal IDs, states, and what protects each table."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.options import settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit scan --db sqlite:///app.db
  dedupaudit scan --db postgresql://auditor@replica/app
  dedupaudit scan activities --check duplicate_ids --fail-on high
  dedupaudit scan -f json -o report.json --findings all.parquet

Find duplicate, NULL, blank and nearly equal IDs in TABLES, look at upload states, and say whether a constraint truly
protects each table. Without TABLES: those of dedupaudit.toml, else activities, screenshots and processes. Reads only.
"""


@click.command("scan", help=HELP)
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@shared("database", "checks", "output", "verdict", "talk")
@click.pass_obj
def command(runtime: Runtime, /, tables: tuple[str, ...], **given: Any) -> int:
    """Scan, write the report, and return the exit code."""
    from dedupaudit.commands.running import run_scan

    _refuse_bytes(tables)
    return run_scan(runtime, settings_of(given), tables)


def _refuse_bytes(tables: tuple[str, ...]) -> None:
    """Raise UsageError for a name that is not text: no database has it, and drivers crash on it."""
    from dedupaudit.display import visible
    from dedupaudit.errors import UsageError

    for name in tables:
        if any("\ud800" <= char <= "\udfff" for char in name):
            raise UsageError(f"the table's name {visible(name)} is not UTF-8", "type it in a UTF-8 terminal")
