"""`dedupaudit repair plan TABLE`: what would go, what stays and why, as a file that `apply` follows."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import option, refuse_bytes, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.config import Settings
    from dedupaudit.model import Cause
    from dedupaudit.repair.plan import Group, Header
    from dedupaudit.repair.planning import Plan

HELP = """\b
Examples:
  dedupaudit repair plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit repair plan screenshots --sql | less
  dedupaudit repair plan activities --on-conflict newest --logs 'logs/*.log*'
  dedupaudit repair plan activities --report report.json -o plan.jsonl

Look for the duplicates of TABLE, choose what stays of each, and write the plan with -o. Changes nothing in the
database. Of identical rows the earliest stays, of an upload's rows the one in the furthest state (with --objects, the
one whose object exists, where they name different ones). Rows that differ are left as they are, unless a policy is
named; what may be different events under one ID is never removed: --logs tell more of them apart.

Exit 0: planned, or nothing to do. 5: the plan would remove more than --max-delete.
"""


@click.command("plan", help=HELP)
@click.argument("table", shell_complete=table_names)
@option(
    "--on-conflict",
    metavar="POLICY",
    help="Of rows that differ, keep the oldest, newest, most-complete, or COLUMN:max.",
)
@option("--max-delete", multiple=True, metavar="LIMIT", help="Rows (5000) or share (30%) that may go.  [default: 10%]")
@option("--report", metavar="FILE", help="Only what this saved report found, with its causes.")
@option("--sql", is_flag=True, help="Print the plan as SQL, to be read; -o writes the plan as well.")
@shared("database", "objects", "logs", "answer", "talk")
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
    from dedupaudit.commands.planning import explainer_of, limit_of
    from dedupaudit.commands.running import announcing, collect_seldom, progress_for
    from dedupaudit.repair.planning import PlanRequest, planned

    refuse_bytes((table,))
    settings = settings_of(given)
    output = given["output"]
    _refuse_output(settings, output, report, sql=sql)
    told = _told(report)
    request = PlanRequest(table, limit_of(max_delete), on_conflict, told.causes if told else None)
    collect_seldom()
    with ExitStack() as stack:
        progress = progress_for(settings.options, stack)
        explainer = explainer_of(settings, runtime, progress, stack, "repair")
        plan, _table = stack.enter_context(
            planned(
                settings,
                request,
                interrupt=runtime.interrupt,
                progress=progress,
                announce=announcing(settings.options),
                explainer=explainer,
            )
        )
        _write(plan, output, sql=sql)
    _tell(plan.header, output, settings, told.tables[plan.header.table] if told else None, sql=sql)
    return 0


def _refuse_output(settings: Settings, output: str | None, report: str | None, *, sql: bool) -> None:
    """Raise where the plan cannot be written, or would take the place of what is read; before anything is looked at."""
    from dedupaudit.commands.answering import refuse_output
    from dedupaudit.errors import UsageError

    if sql and output == "-":
        raise UsageError("--sql and -o - both want stdout", "write the plan into a file: -o plan.jsonl")
    # What `dedupaudit.toml` says of a report's place is not said of a plan's.
    if output is not None:
        refuse_output(settings, *([("the report", Path(report))] if report not in (None, "-") else []))


def _write(plan: Plan, output: str | None, *, sql: bool) -> None:
    """Write the plan where -o says, and on stdout the SQL where that is wanted: in one pass, since groups come once."""
    from dedupaudit.commands.answering import print_lines
    from dedupaudit.repair.as_sql import plan_as_sql
    from dedupaudit.repair.planfile import write_plan
    from dedupaudit.repair.sealed import written
    from dedupaudit.reports.write import Replacing, explained

    if output is None or output == "-":
        if sql:
            print_lines(plan_as_sql(plan.header, plan.groups))
        elif output == "-":
            write_plan(sys.stdout.buffer, plan.header, plan.groups)
            sys.stdout.buffer.flush()
        return
    path = Path(output)
    with Replacing(path) as file:
        with explained(path):
            groups = written(file.stream, plan.header, plan.groups)
            if not sql:
                deque(groups, maxlen=0)
        if sql:
            print_lines(plan_as_sql(plan.header, _explained(path, groups)))


def _explained(path: Path, groups: Iterator[Group]) -> Iterator[Group]:
    """Give groups on as they are written; what goes wrong with the file is told of the file."""
    from dedupaudit.reports.write import explained

    while True:
        with explained(path):
            group = next(groups, None)
        if group is None:
            return
        yield group


def _tell(header: Header, output: str | None, settings: Settings, reported: int | None, *, sql: bool) -> None:
    """Say what the plan comes to: on stdout, unless the plan or its SQL went there."""
    from dedupaudit.commands.answering import tell_plan, width_of
    from dedupaudit.repair.telling import as_json, plan_summary

    options = settings.options
    aside = output == "-" or sql
    if aside and options.quiet:
        return
    if options.format == "json":
        lines = [as_json({**header.model_dump(by_alias=True), "plan": output})]
    else:
        width = width_of(sys.stderr if aside else sys.stdout)
        lines = [*plan_summary(header, width, reported), *_next(header, output, sql=sql)]
    tell_plan(lines, aside=aside)


def _next(header: Header, output: str | None, *, sql: bool) -> list[str]:
    """Return what to type next."""
    from shlex import quote

    from dedupaudit.commands.answering import file_word, where
    from dedupaudit.display import visible

    if not header.totals.removed:
        return []
    if output is None:
        return [] if sql else ["", "No plan was saved, and nothing was changed: -o FILE writes it, --sql shows it."]
    if output == "-":
        return ["", "Nothing was changed."]
    return [
        "",
        f"The plan is in {visible(output)}; nothing was changed. To apply it (within the hour):",
        f"  dedupaudit repair apply {file_word(output)}{where()} --confirm {quote(visible(header.table))}",
    ]


class _Told(NamedTuple):
    """What a saved report tells: the cause of each duplicate, by fingerprint, and how many each table had."""

    causes: dict[str, Cause | None]
    tables: Counter[str]


def _told(report: str | None) -> _Told | None:
    if report is None:
        return None
    from dedupaudit.commands.report import read_report
    from dedupaudit.reports.saved import load
    from dedupaudit.saying import say

    saved = load(read_report(report), report)
    if saved.truncated:
        say(
            "plan.part_of_report",
            f"the report was cut to {len(saved.findings):,} findings: the plan covers those alone",
        )
    found = [one for one in saved.findings if one.check == "duplicate_ids"]
    return _Told({one.fingerprint: one.cause for one in found}, Counter(one.target for one in found))
