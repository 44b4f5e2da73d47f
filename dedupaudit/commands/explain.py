"""`dedupaudit explain ID`: one ID's timeline across database, object store and logs, with the verdict."""

from __future__ import annotations

from typing import Any

import click

from dedupaudit.commands.options import refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

HELP = """\b
Examples:
  dedupaudit explain activity_1766557428498
  dedupaudit explain screenshot_1766557428498 --db sqlite:///app.db
      --objects file:///srv/objects --logs 'logs/*.log*'
  dedupaudit explain activity_1766557428498 -f json

Tell the whole story of one ID: what the client's and the backend's logs say of it, its rows, and its object, in the
order of time, then what it comes to and what to do. Reads only. Exit 0 when the story was told, 3 where a source could
not be read, 4 where no source knows the ID.
"""


@click.command("explain", help=HELP)
@click.argument("ident", metavar="ID")
@shared("database", "objects", "logs", "output", "mask", "talk")
@click.pass_obj
def command(runtime: Runtime, /, ident: str, **given: Any) -> int:
    """Tell the story, write the report, and return the exit code."""
    from dedupaudit.commands.running import run_explain

    refuse_bytes((ident,))
    return run_explain(runtime, settings_of(given), ident)
