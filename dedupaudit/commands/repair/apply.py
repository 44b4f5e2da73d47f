"""`dedupaudit repair apply PLAN`: does what the plan says, and nothing else."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import option, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.repair.run import ApplyRequest, Offer

HELP = """\b
Examples:
  dedupaudit repair apply plan.jsonl --db sqlite:///app.db
  dedupaudit repair apply plan.jsonl --confirm activities
  dedupaudit repair apply plan.jsonl --max-load 20 --max-lag 5s --run-time 2h

Do exactly what PLAN says, to the database that it was made for: lock the rows of some keys, see that they are still
what was planned, copy those that go into quarantine, re-point their children, delete, verify, and commit; then the next.
Killed anywhere, the same command goes on. Exit 3: some keys were skipped, because their rows changed since. The run ends
by proving that nothing was lost (exit 6 where that does not hold).
"""


@click.command("apply", help=HELP)
@click.argument("plan", type=click.Path(path_type=Path))
@option("--confirm", metavar="TABLE", help="Say yes, where there is no terminal to ask on: the table's name.")
@option("--max-age", metavar="DURATION", default="1h", show_default=True, help="An older plan is refused.")
@option("--max-lag", metavar="DURATION", help="Wait while a replica is further behind.")
@option("--replica", multiple=True, metavar="URL", help="A replica to ask for its lag. Repeatable.")
@option("--max-load", type=click.IntRange(min=1), metavar="N", help="Wait while more sessions are at work.")
@option("--sleep", metavar="DURATION", help="Sleep so long between two chunks.")
@option("--chunk-time", metavar="DURATION", default="500ms", show_default=True, help="What a chunk should take.")
@option("--run-time", metavar="DURATION", help="Stop after so long; the same command goes on.")
@option("--allow-trigger", multiple=True, metavar="NAME", help="A trigger that may fire. Repeatable.")
@shared("database", "output", "talk")
@click.pass_obj
def command(runtime: Runtime, /, plan: Path, confirm: str | None, **given: Any) -> int:
    """Ask, apply, tell, and return the exit code."""
    from dedupaudit.commands.repair.asking import ask
    from dedupaudit.commands.running import announcing, progress_for
    from dedupaudit.repair.run import apply_plan
    from dedupaudit.repair.telling import offer_lines

    request = _request(plan, given)
    settings = settings_of(given)
    options = settings.options

    def confirmed(offer: Offer) -> None:
        ask(offer_lines(offer), offer.header.table, confirm, quiet=options.quiet)

    with ExitStack() as stack:
        applied = apply_plan(
            settings,
            request,
            interrupt=runtime.interrupt,
            progress=progress_for(options, stack),
            announce=announcing(options),
            confirm=confirmed,
        )
    _tell(applied, given["output"], as_json=options.format == "json")
    return int(applied.exit_code)


def _request(plan: Path, given: dict[str, Any]) -> ApplyRequest:
    """Take the options of this command alone out of what was given."""
    from dedupaudit.repair.pace import Kindness
    from dedupaudit.repair.run import ApplyRequest
    from dedupaudit.units import duration

    def seconds(name: str) -> float | None:
        text = given.pop(name)
        return None if text is None else duration(text)

    max_load = given.pop("max_load")
    kindness = Kindness(
        chunk_time=seconds("chunk_time") or 0.5,
        max_lag=seconds("max_lag"),
        max_load=max_load,
        sleep=seconds("sleep") or 0.0,
        run_time=seconds("run_time"),
    )
    max_age = seconds("max_age")
    replicas = tuple(_replica(url) for url in given.pop("replica"))
    return ApplyRequest(
        plan, 3600.0 if max_age is None else max_age, kindness, tuple(given.pop("allow_trigger")), replicas
    )


def _replica(url: str) -> DatabaseSettings:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.urls import parse_named

    name, parsed = parse_named(url)
    return DatabaseSettings(name or "replica", parsed)


def _tell(applied: Any, output: str | None, *, as_json: bool) -> None:
    from dedupaudit.redact import scrub
    from dedupaudit.repair.run import Known
    from dedupaudit.repair.telling import applied_lines, run_json, skipped_json
    from dedupaudit.reports.write import write_report

    if as_json:
        run = run_json(Known(applied.run, applied.run.state))
        lines = [json.dumps({"run": run, "stopped": applied.stopped, "skipped": skipped_json(applied.skipped)})]
    else:
        lines = [scrub(line) for line in applied_lines(applied)]
    path = Path(output) if output and output != "-" else None
    write_report(path, lambda out: out.writelines(f"{line}\n" for line in lines) and None)
