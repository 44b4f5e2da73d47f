"""`dedupaudit crosscheck`: rows whose object is gone, objects that no row knows, and objects that are not as told."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit crosscheck --db sqlite:///app.db --objects file:///srv/objects
  dedupaudit crosscheck --db postgresql://auditor@primary/app
      --objects oss://bucket/screenshots/ --oss-region cn-hangzhou
  dedupaudit crosscheck --check orphan_object --findings orphans.csv
  dedupaudit crosscheck --inventory manifest.json --objects oss://bucket/

Hold the rows of TABLES against the objects of a store, both ways: missing, orphan, resized, changed, shared, unexpected
and misplaced objects, and the parts of interrupted uploads. Every suspect is looked at twice; what is younger than
--grace is left to come. Without TABLES: those of dedupaudit.toml, else activities, screenshots and processes, as far as
they have a column for object keys or URLs. Reads only. OSS credentials come from OSS_ACCESS_KEY_ID and
OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN).
"""


@click.command("crosscheck", help=HELP)
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=table_names)
@shared("database", "objects", "findings", "checks", "output", "verdict", "keep", "mask", "talk")
@click.pass_obj
def command(runtime: Runtime, /, tables: tuple[str, ...], **given: Any) -> int:
    """Crosscheck, write the report, and return the exit code."""
    from dedupaudit.commands.running import run_crosscheck

    refuse_bytes(tables)
    return run_crosscheck(runtime, settings_of(given), tables)
