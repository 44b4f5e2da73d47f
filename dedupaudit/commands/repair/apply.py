"""`dedupaudit repair apply PLAN`: does what the plan says, and nothing else."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.completing import plan_files
from dedupaudit.commands.options import option, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.config import Settings
    from dedupaudit.repair.apply import Applied
    from dedupaudit.repair.run import ApplyRequest, Offer

HELP = """\b
Examples:
  dedupaudit repair apply plan.jsonl --db sqlite:///app.db
  dedupaudit repair apply plan.jsonl --confirm activities
  dedupaudit repair apply plan.jsonl --max-load 20 --max-lag 5s --run-time 2h

Do exactly what PLAN says, to the database that it was made for, after showing it and asking. Chunk by chunk, each one
transaction: lock the rows, see that they are still what was planned, copy what goes into quarantine, re-point child
rows, delete, verify, commit. Killed anywhere, the same command goes on; `repair undo` takes all of it back. The run
ends by proving that nothing was lost.

Exit 3: IDs were skipped, because their rows changed since, or --run-time was over. 5: refused, nothing was changed.
6: it failed, and how to go on is said. 75: another run works on the table.
"""


@click.command("apply", help=HELP)
@click.argument("plan", type=click.Path(path_type=Path), shell_complete=plan_files)
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@option("--max-age", metavar="DURATION", default="1h", show_default=True, help="An older plan is refused.")
@option("--max-lag", metavar="DURATION", help="Wait while a replica is further behind.")
@option("--replica", multiple=True, metavar="URL", help="A replica to ask for its lag. Repeatable.")
@option("--max-load", type=click.IntRange(min=1), metavar="N", help="Wait while more sessions are at work.")
@option("--sleep", metavar="DURATION", help="Sleep so long between two chunks.")
@option("--chunk-time", metavar="DURATION", default="500ms", show_default=True, help="What a chunk should take.")
@option("--run-time", metavar="DURATION", help="Stop after so long; the same command goes on.")
@option("--allow-trigger", multiple=True, metavar="NAME", help="A trigger that may fire. Repeatable.")
@shared("database", "answer", "talk")
@click.pass_obj
def command(runtime: Runtime, /, plan: Path, confirm: str | None, **given: Any) -> int:
    """Ask, apply, tell, and return the exit code."""
    from dedupaudit.commands.answering import refuse_output, width_of
    from dedupaudit.commands.asking import ask
    from dedupaudit.commands.running import announcing, collect_seldom, progress_for
    from dedupaudit.repair.run import apply_plan
    from dedupaudit.repair.telling import offer_lines

    request = _request(plan, given)
    settings = settings_of(given)
    refuse_output(settings, ("the plan", plan))
    options = settings.options

    def confirmed(offer: Offer) -> None:
        ask(offer_lines(offer, width_of(sys.stderr)), offer.header.table, confirm, quiet=options.quiet)

    collect_seldom()
    with ExitStack() as stack:
        applied = apply_plan(
            settings,
            request,
            interrupt=runtime.interrupt,
            progress=progress_for(options, stack),
            announce=announcing(options),
            confirm=confirmed,
        )
    _tell(applied, settings)
    return int(applied.exit_code)


def _request(plan: Path, given: dict[str, Any]) -> ApplyRequest:
    """Take the options of this command alone out of what was given."""
    from dedupaudit.commands.pacing import kindness_of, replicas_of, seconds_of
    from dedupaudit.repair.run import ApplyRequest

    kindness, replicas, max_age = kindness_of(given), replicas_of(given), seconds_of(given, "max_age")
    return ApplyRequest(
        plan, 3600.0 if max_age is None else max_age, kindness, tuple(given.pop("allow_trigger")), replicas
    )


def _tell(applied: Applied, settings: Settings) -> None:
    """Write what came of it; that not all of it was done is said on stderr too, where the report is no text there."""
    from dedupaudit.commands.answering import answer, where
    from dedupaudit.conservation import proof_line
    from dedupaudit.repair.past import Known
    from dedupaudit.repair.telling import applied_lines, run_json, skipped_json
    from dedupaudit.reports.words import plural
    from dedupaudit.saying import say

    run, options = applied.run, settings.options
    answer(
        settings,
        lambda width: applied_lines(applied, width, where()),
        lambda: {
            "run": run_json(Known(run, run.state)),
            "stopped": applied.stopped,
            "skipped": skipped_json(applied.skipped),
        },
    )
    if options.output == "-" and options.format != "json":
        return
    if applied.proof is not None and not applied.proof.holds:
        say("repair.incomplete", proof_line(applied.proof))
    elif applied.stopped:
        say("repair.incomplete", f"stopped: {applied.stopped}; the same command goes on")
    elif run.groups_skipped:
        why = f"`dedupaudit repair show {run.id}` says why"
        say("repair.incomplete", f"{plural(run.groups_skipped, 'ID')} skipped: {why}")
