"""`dedupaudit history prune`: old runs and their reports are removed; what is open stays known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from dedupaudit.commands.options import settings_of, shared

HELP = """\b
Examples:
  dedupaudit history prune --keep 90d --dry-run
  dedupaudit history prune --keep 90d
  dedupaudit history prune --keep-last 30

Remove old runs with their reports. Findings that are open stay known, so that nothing becomes new again; a run that is
removed can no longer be a --baseline.
"""


@click.command("prune", help=HELP)
@click.option("--keep", metavar="DURATION", help="Remove what is older: 90d.")
@click.option("--keep-last", type=click.IntRange(min=0), metavar="N", help="Remove all but the newest N.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@shared("kept", "answer", "talk")
def command(keep: str | None, keep_last: int | None, *, dry_run: bool, **given: Any) -> int:
    """Remove the runs."""
    from dedupaudit.commands.answering import answer, refuse_output
    from dedupaudit.commands.history.asking import ask, with_parents
    from dedupaudit.commands.history.trend import pruned_lines
    from dedupaudit.errors import UsageError
    from dedupaudit.history.past import Pruned, prune

    if (keep is None) == (keep_last is None):
        raise UsageError("say what is to be kept", "--keep 90d, or --keep-last 30")
    before = _before(keep) if keep is not None else None
    settings = settings_of(with_parents(given))
    refuse_output(settings)
    store, found = ask(
        settings, lambda connection: prune(connection, before=before, keep_last=keep_last, dry_run=dry_run)
    )
    pruned = found or Pruned(0, None, None, 0)
    answer(
        settings,
        lambda _width: pruned_lines(pruned, store.shown, dry_run=dry_run),
        lambda: {
            "dry_run": dry_run,
            "runs": pruned.runs,
            "oldest": pruned.oldest,
            "newest": pruned.newest,
            "gone_findings": pruned.episodes,
        },
    )
    return 0


def _before(keep: str) -> str:
    """Return the moment before which a run is too old, as reports write it."""
    from dedupaudit.errors import UsageError
    from dedupaudit.units import duration

    try:
        moment = datetime.now(UTC) - timedelta(seconds=duration(keep))
    except UsageError as error:
        raise UsageError(f"--keep: {error.message}", error.hint) from None
    except OverflowError:
        raise UsageError("--keep: no run can be that old", "write something like 90d") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
