"""`dedupaudit report FILE`: renders a saved report again, without scanning."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click

from dedupaudit.commands.completing import report_files
from dedupaudit.commands.options import settings_of, shared

HELP = """\b
Examples:
  dedupaudit report report.json
  dedupaudit report report.json -f html -o report.html
  dedupaudit report report.json -f markdown --mask device_id
  dedupaudit scan -f json | dedupaudit report -

Render the saved JSON report FILE (- is stdin) in another form. Nothing is scanned.
"""


@click.command("report", help=HELP)
@click.argument("file", metavar="FILE", shell_complete=report_files)
@shared("output", "mask", "talk")
def command(file: str, **given: Any) -> int:
    """Load the report and render it."""
    from dedupaudit.commands.outputs import is_same_file
    from dedupaudit.commands.rendering import report_to
    from dedupaudit.display import visible
    from dedupaudit.errors import Refused
    from dedupaudit.masking import mask_of
    from dedupaudit.reports.saved import load
    from dedupaudit.saying import say

    options = settings_of(given).options
    report = load(read_report(file), file)
    if file != "-" and options.output != "-" and is_same_file(Path(options.output), Path(file)):
        raise Refused(f"-o {visible(options.output)} would overwrite the report that is rendered", "name another file")
    mask = mask_of(options, os.environ)
    report_to(mask.report(report) if mask else report, options)
    for name in mask.unmet() if mask else ():
        # It may be a device's, which was hidden all the same; a slip would have left an ID in the clear.
        say("remark", f"--mask {visible(name)}: no finding has a key of this name; check how it is spelt")
    return 0


def read_report(file: str) -> bytes:
    """Return a saved report's bytes; raises UsageError for a file that cannot be read."""
    from dedupaudit.display import visible
    from dedupaudit.errors import UsageError

    try:
        if file == "-":
            if sys.stdin is None:
                raise OSError(errno.EBADF, "stdin is closed")
            return sys.stdin.buffer.read()
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a possible file name"
        raise UsageError(
            f"cannot read the report {visible(file)}: {reason}", "a report is made by `dedupaudit scan -f json -o FILE`"
        ) from None
