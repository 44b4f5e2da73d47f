"""`dedupaudit repair plan TABLE`: what would go, what stays and why, as a file that `apply` follows."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import option, refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.causes.explainer import Explainer
    from dedupaudit.config import Settings
    from dedupaudit.model import Cause
    from dedupaudit.progress import Progress
    from dedupaudit.repair.plan import Header, Limit

HELP = """\b
Examples:
  dedupaudit repair plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit repair plan screenshots --sql | less
  dedupaudit repair plan activities --on-conflict newest --logs 'logs/*.log*'
  dedupaudit repair plan activities --report report.json -o plan.jsonl

Look for the duplicates of TABLE, choose what stays of each, and write the plan with -o. Changes nothing in the database.
Of identical rows the earliest stays, of an upload's rows the one in the furthest state; rows that differ are left as
they are, unless a policy is named; different events under one ID are never removed. Exit 0: planned, or nothing to do.
"""


@click.command("plan", help=HELP)
@click.argument("table")
@option(
    "--on-conflict",
    metavar="POLICY",
    help="Of rows that differ, keep the oldest, newest, most-complete, or COLUMN:max.",
)
@option("--max-delete", multiple=True, metavar="LIMIT", help="Rows (5000) or share (30%) that may go.  [default: 10%]")
@option("--report", metavar="FILE", help="Only what this saved report found, with its causes.")
@option("--sql", is_flag=True, help="Print the plan as SQL, to be read.")
@shared("database", "logs", "output", "talk")
@option("--engine", type=click.Choice(("auto", "pushdown", "snapshot")), help="As for scan.  [default: auto]")
@option("--memory-limit", metavar="SIZE", help="For the embedded engine.  [default: 256MB]")
@click.pass_obj
def command(  # noqa: PLR0913
    runtime: Runtime,
    /,
    table: str,
    on_conflict: str | None,
    max_delete: tuple[str, ...],
    report: str | None,
    sql: bool,
    **given: Any,
) -> int:
    """Plan, write the plan where -o says, and tell people what it comes to."""
    from dedupaudit.commands.running import progress_for
    from dedupaudit.repair.run import PlanRequest, planned

    refuse_bytes((table,))
    settings = settings_of(given)
    request = PlanRequest(table, _limit(max_delete), on_conflict, _causes(report))
    with ExitStack() as stack:
        progress = progress_for(settings.options, stack)
        explainer = _explainer(settings, runtime, progress, stack)
        plan, _table = stack.enter_context(
            planned(settings, request, interrupt=runtime.interrupt, progress=progress, explainer=explainer)
        )
        _write(plan, given["output"], settings, sql=sql)
    return 0


def _write(plan: Any, output: str | None, settings: Settings, *, sql: bool) -> None:
    """Write the plan, as a file or as SQL, and the summary: on stdout, unless the plan itself goes there."""
    import sys

    from dedupaudit.commands.outputs import refuse_inputs
    from dedupaudit.repair.as_sql import plan_as_sql
    from dedupaudit.repair.planfile import write_plan
    from dedupaudit.reports.write import Replacing, explained

    refuse_inputs(settings)
    to_stdout = output == "-" or sql
    if sql:
        for line in plan_as_sql(plan.header, plan.groups):
            click.echo(line)
    elif output == "-":
        write_plan(sys.stdout.buffer, plan.header, plan.groups)
        sys.stdout.buffer.flush()
    elif output is not None:
        path = Path(output)
        with Replacing(path) as file, explained(path):
            write_plan(file.stream, plan.header, plan.groups)
    _tell(plan.header, output if not sql else None, settings, err=to_stdout, sql=sql)


def _tell(header: Header, output: str | None, settings: Settings, *, err: bool, sql: bool) -> None:
    from dedupaudit.display import visible
    from dedupaudit.redact import scrub
    from dedupaudit.repair.telling import plan_summary

    if settings.options.format == "json":
        click.echo(json.dumps({**header.model_dump(by_alias=True), "plan": output}), err=err)
        return
    if err and settings.options.quiet:
        return
    lines = plan_summary(header)
    if header.totals.removed and output and output != "-":
        table = visible(header.table)
        lines += [
            "",
            f"The plan is in {visible(output)}; nothing was changed. To apply it (within the hour):",
            f"  dedupaudit repair apply {visible(output)} --confirm {table}",
        ]
    elif header.totals.removed and not sql and output is None:
        lines += ["", "No plan was saved, and nothing was changed: -o FILE writes it, --sql shows it."]
    for line in lines:
        click.echo(scrub(line), err=err)


def _limit(given: tuple[str, ...]) -> Limit:
    """Return --max-delete: a share, a number of rows, or both."""
    from dedupaudit.display import visible
    from dedupaudit.errors import UsageError
    from dedupaudit.repair.plan import Limit

    if not given:
        return Limit(percent=10.0)
    limit: dict[str, float | int] = {}
    for text in (part.strip() for one in given for part in one.split(",")):
        number = text.removesuffix("%").strip()
        try:
            value = float(number) if text.endswith("%") else int(number)
        except ValueError:
            value = -1
        if not 0 <= value < 1e15 or (text.endswith("%") and value > 100):
            raise UsageError(
                f"--max-delete {visible(text)} is no limit", "it is a number of rows (5000) or a share (30%)"
            )
        limit["percent" if text.endswith("%") else "rows"] = value
    return Limit(**limit)


def _causes(report: str | None) -> dict[str, Cause | None] | None:
    """Return the causes of a saved report's duplicates, by fingerprint."""
    if report is None:
        return None
    from dedupaudit.commands.report import read_report
    from dedupaudit.reports.saved import load

    saved = load(read_report(report), report)
    if saved.truncated:
        from dedupaudit.commands.repair.asking import say

        say(
            [f"dedupaudit: the report holds {len(saved.findings):,} findings, and not all: the plan covers those alone"]
        )
    return {one.fingerprint: one.cause for one in saved.findings if one.check == "duplicate_ids"}


def _explainer(settings: Settings, runtime: Runtime, progress: Progress, stack: ExitStack) -> Explainer | None:
    """Return what knows the logs, where some are configured."""
    if settings.logs is None or not settings.logs.files:
        return None
    from dedupaudit.building import Building
    from dedupaudit.causes.explainer import Explainer
    from dedupaudit.logs import LogsRequest, logs_into
    from dedupaudit.snapshot.history import History

    history = stack.enter_context(History(settings.options.memory_limit))
    building = Building("repair", 0, None)
    logs_into(building, settings, LogsRequest(unchecked=True), history, interrupt=runtime.interrupt, progress=progress)
    return Explainer(history)
