"""`dedupaudit history show RUN`: the report of an earlier run, in any form."""

from __future__ import annotations

import os
from typing import Any

import click

from dedupaudit.commands.completing import run_names
from dedupaudit.commands.options import settings_of, shared

HELP = """\b
Examples:
  dedupaudit history show last
  dedupaudit history show 20251224T081530Z-3f2a9c1e -f html -o then.html
  dedupaudit history show last --mask device_id -f markdown

Render the report of an earlier run again; `last` is the newest. At most 1,000 of its findings were kept.
"""


@click.command("show", help=HELP)
@click.argument("run", metavar="RUN|last", shell_complete=run_names)
@shared("kept", "output", "mask", "talk")
def command(run: str, **given: Any) -> int:
    """Render the report."""
    from dedupaudit.commands.answering import refuse_output
    from dedupaudit.commands.history.asking import ask, with_parents
    from dedupaudit.commands.rendering import report_to
    from dedupaudit.display import visible
    from dedupaudit.errors import UsageError
    from dedupaudit.history.past import report_of
    from dedupaudit.masking import mask_of
    from dedupaudit.saying import say

    settings = settings_of(with_parents(given))
    refuse_output(settings)
    mask = mask_of(settings.options, os.environ)
    store, report = ask(settings, lambda connection: report_of(connection, run))
    if report is None:
        raise UsageError(
            f"no run is kept in {store.shown} yet",
            "scan, crosscheck, logs and audit keep theirs; or name --history FILE",
        )
    report_to(mask.report(report) if mask else report, settings.options)
    for name in mask.unmet() if mask else ():
        say("remark", f"--mask {visible(name)}: no finding has a key of this name; check how it is spelt")
    return 0
