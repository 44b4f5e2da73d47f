"""`dedupaudit repair show RUN`: one run in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import settings_of, shared

if TYPE_CHECKING:
    from dedupaudit.model import Report
    from dedupaudit.repair.journal import Entry
    from dedupaudit.repair.past import Known

HELP = """\b
Examples:
  dedupaudit repair show last --db sqlite:///app.db
  dedupaudit repair show last -f html -o proof.html
  dedupaudit repair show 20251224T081530-3f2a9c -f json

Tell one run in full: who and when, what it did, its proof that nothing was lost, and what it skipped and why. As HTML
or Markdown it can be handed to whoever has to know.
"""


@click.command("show", help=HELP)
@click.argument("run")
@shared("database", "proof", "talk")
def command(run: str, **given: Any) -> int:
    """Show one run."""
    from dedupaudit.commands.answering import answer, refuse_output, where
    from dedupaudit.commands.rendering import report_to
    from dedupaudit.repair.opening import database_of
    from dedupaudit.repair.past import known_run
    from dedupaudit.repair.telling import run_json, run_lines, skipped_json

    settings = settings_of(given)
    refuse_output(settings)
    known, skipped = known_run(settings, run)
    if settings.options.format in ("html", "markdown"):
        report_to(_report(known, skipped, database_of(settings).name), settings.options)
        return 0
    answer(
        settings,
        lambda width: run_lines(known, skipped, width, where()),
        lambda: {"run": run_json(known), "skipped": skipped_json(skipped)},
    )
    return 0


def _report(known: Known, skipped: Sequence[Entry], source: str) -> Report:
    """Return a report of one run alone: nothing was looked for, so there is nothing that it found."""
    from dataclasses import fields, replace

    from dedupaudit import __version__
    from dedupaudit.conservation import JournalledRun, repair_proof
    from dedupaudit.model import SEVERITIES, Report, Run, Summary, Tool
    from dedupaudit.repair.telling import figures, skipped_lines

    run = known.run
    journalled = JournalledRun(**{field.name: getattr(run, field.name) for field in fields(JournalledRun)})
    proof = repair_proof(replace(journalled, state=known.state), source, run.table_name)
    left = (" ".join(line.split()) for line in skipped_lines(skipped, run.groups_skipped, 10_000))
    proof = proof.model_copy(update={"said": (figures(run), *proof.said, *left)})
    return Report(
        tool=Tool(version=__version__),
        run=Run(
            id=run.id,
            command="repair show",
            started_at=run.started_at,
            finished_at=run.finished_at or run.updated_at,
        ),
        complete=True,
        coverage=(),
        summary=Summary(
            findings=0,
            by_check={},
            by_severity=dict.fromkeys(SEVERITIES, 0),
            by_verdict={"confirmed": 0, "in_grace": 0, "unknown": 0},
            tables={},
        ),
        findings=(),
        truncated=False,
        repairs=(proof,),
    )
