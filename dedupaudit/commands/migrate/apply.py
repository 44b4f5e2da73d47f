"""`dedupaudit migrate apply PLAN`: does what the plan says, with writers running, and shows that it holds."""

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
    from dedupaudit.migrate.evidence import Migrated
    from dedupaudit.migrate.run import ApplyRequest, Offer

HELP = """\b
Examples:
  dedupaudit migrate apply plan.jsonl --db sqlite:///app.db
  dedupaudit migrate apply plan.jsonl --confirm activities
  dedupaudit migrate apply plan.jsonl --wait 1h --max-load 20 --max-lag 5s

Put the unique constraint in place that PLAN is for, after showing it and asking: guard, wait for older transactions,
clean by the plan's rule, build, verify, remove the guard. Short locks are waited for 1 s at most, and tried again; who
is in the way is said, and nobody is killed. Killed anywhere, the same command goes on; `migrate rollback` takes it
back. At the end the catalog is read, a duplicate is inserted and must be refused, and a scan without the new index
finds none.

Exit 5: refused, or rows need a person (named; the guard is removed). 6: it failed, and how to go on is said. 75:
another run works on the table.
"""


@click.command("apply", help=HELP)
@click.argument("plan", type=click.Path(path_type=Path), shell_complete=plan_files)
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@option("--max-age", metavar="DURATION", default="1h", show_default=True, help="An older plan is refused.")
@option("--keep-guard", is_flag=True, help="Where it cannot go on, leave the guard: it refuses new duplicates.")
@option("--wait", metavar="DURATION", default="10min", show_default=True, help="Wait so long for others, at most.")
@option("--max-lag", metavar="DURATION", help="Wait while a replica is further behind.")
@option("--replica", multiple=True, metavar="URL", help="A replica to ask for its lag. Repeatable.")
@option("--max-load", type=click.IntRange(min=1), metavar="N", help="Wait while more sessions are at work.")
@option("--sleep", metavar="DURATION", help="Sleep so long between two chunks.")
@option("--chunk-time", metavar="DURATION", default="500ms", show_default=True, help="What a chunk should take.")
@option("--allow-trigger", multiple=True, metavar="NAME", help="A trigger that may fire. Repeatable.")
@shared("database", "objects", "answer", "talk")
@click.pass_obj
def command(runtime: Runtime, /, plan: Path, confirm: str | None, **given: Any) -> int:
    """Ask, migrate, tell, and return the exit code."""
    from dedupaudit.commands.answering import answer, refuse_output, where, width_of
    from dedupaudit.commands.asking import ask
    from dedupaudit.commands.running import announcing, collect_seldom, progress_for
    from dedupaudit.migrate.planfile import MigrationFile
    from dedupaudit.migrate.run import apply_migration
    from dedupaudit.migrate.telling import migrated_lines, offer_lines
    from dedupaudit.migrate.telling_json import migrated_json

    request = _request(plan, given)
    settings = settings_of(given)
    refuse_output(settings, ("the plan", plan))
    options = settings.options
    asked = False

    def confirmed(offer: Offer) -> None:
        nonlocal asked
        asked = True
        ask(offer_lines(offer, width_of(sys.stderr)), offer.header.table, confirm, quiet=options.quiet)

    collect_seldom()
    with ExitStack() as stack:
        migrated = apply_migration(
            settings,
            request,
            interrupt=runtime.interrupt,
            progress=progress_for(options, stack),
            announce=announcing(options),
            confirm=confirmed,
        )
    with MigrationFile(plan) as file:
        header = file.header
    answer(
        settings,
        lambda width: migrated_lines(migrated, header, width, where(), already=not asked),
        lambda: migrated_json(migrated, header),
    )
    _tell_stop(migrated, settings)
    return int(migrated.exit_code)


def _request(plan: Path, given: dict[str, Any]) -> ApplyRequest:
    """Take the options of this command alone out of what was given."""
    from dedupaudit.commands.pacing import kindness_of, replicas_of, seconds_of
    from dedupaudit.migrate.run import ApplyRequest

    max_age, wait = seconds_of(given, "max_age"), seconds_of(given, "wait")
    return ApplyRequest(
        plan=plan,
        max_age=3600.0 if max_age is None else max_age,
        kindness=kindness_of(given),
        keep_guard=given.pop("keep_guard"),
        wait=600.0 if wait is None else wait,
        allowed_triggers=tuple(given.pop("allow_trigger")),
        replicas=replicas_of(given),
    )


def _tell_stop(migrated: Migrated, settings: Settings) -> None:
    """Say on stderr that it did not get to the end, where the report is no text there."""
    from dedupaudit.display import visible
    from dedupaudit.saying import say

    options = settings.options
    if migrated.stopped is not None and (options.output != "-" or options.format == "json"):
        say("migrate.incomplete", f"stopped: {visible(migrated.stopped, 500)}; the same command goes on")
