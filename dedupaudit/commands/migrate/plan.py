"""`dedupaudit migrate plan [TABLE…]`: how the unique constraint would come about, as a file that `apply` follows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.completing import table_names
from dedupaudit.commands.options import option, refuse_bytes, settings_of, shared
from dedupaudit.errors import AuditError, ExitCode, Refused
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.config import Settings
    from dedupaudit.migrate.planning import MigrationPlan, PlanRequest

HELP = """\b
Examples:
  dedupaudit migrate plan activities --db sqlite:///app.db -o plan.jsonl
  dedupaudit migrate plan activities --sql | less
  dedupaudit migrate plan activities --strategy guarded -o plan.jsonl
  dedupaudit migrate plan -o plans/

Look at TABLE (without one, at all that are configured or usual), and tell how its ID would become unique: what stands
today, what stands in the way, each step with its SQL, its lock, whom that keeps out, time and disk (estimated), and
what becomes of each kind of INSERT before, meanwhile and after. -o writes the plan, of several tables a file each into
a folder. Changes nothing in the database. Of duplicates the same rows stay as with `repair plan`.

Exit 0: planned, or nothing to do. 5: something forbids it (each is named, and no file is written), or more rows would
go than --max-delete allows.
"""

_WORST = (ExitCode.USAGE, ExitCode.REFUSED, ExitCode.FAILED, ExitCode.INCOMPLETE, ExitCode.NOTHING)
"""Of several tables the worst decides; the contract's order."""


@click.command("plan", help=HELP)
@click.argument("tables", nargs=-1, metavar="[TABLE]...", shell_complete=table_names)
@option("--constraint", metavar="NAME", help="What the constraint is called.  [default: as the database calls it]")
@option("--not-null", is_flag=True, default=None, help="Forbid NULL in the key as well.")
@option("--strategy", type=click.Choice(("small", "guarded")), help="How it is made.  [default: as the table asks for]")
@option(
    "--on-conflict",
    metavar="POLICY",
    help="Of rows that differ, keep the oldest, newest, most-complete, or COLUMN:max.",
)
@option("--max-delete", multiple=True, metavar="LIMIT", help="Rows (5000) or share (30%) that may go.  [default: 10%]")
@option("--sql", is_flag=True, help="Print a script that can be run by hand; -o writes the plan as well.")
@shared("database", "objects", "logs", "answer", "talk")
@option("--engine", type=click.Choice(("auto", "pushdown", "snapshot")), help="As for scan.  [default: auto]")
@option("--memory-limit", metavar="SIZE", help="For the embedded engine.  [default: 256MB]")
@click.pass_obj
def command(runtime: Runtime, /, tables: tuple[str, ...], sql: bool, **given: Any) -> int:
    """Plan each table, write the plans where -o says, and tell people what they come to."""
    from dedupaudit.commands.planning import limit_of
    from dedupaudit.commands.running import collect_seldom
    from dedupaudit.migrate.planning import PlanRequest

    refuse_bytes(tables)
    request = PlanRequest(
        "",
        limit_of(given.pop("max_delete")),
        given.pop("on_conflict"),
        given.pop("strategy"),
        given.pop("not_null"),
        given.pop("constraint"),
    )
    settings = settings_of(given)
    places = _Places(given["output"], is_one=len(set(tables)) == 1)
    places.check(settings, sql=sql)
    collect_seldom()
    return _Planning(runtime, settings, request, places, sql=sql).plan(tuple(dict.fromkeys(tables)))


@dataclass(frozen=True)
class _Places:
    """Where plans go: nowhere, to stdout, into a file, or into a folder, a file each."""

    output: str | None
    is_one: bool

    @property
    def is_folder(self) -> bool:
        """Whether -o names a folder."""
        if self.output in (None, "-"):
            return False
        return not self.is_one or str(self.output).endswith("/") or Path(str(self.output)).is_dir()

    def check(self, settings: Settings, *, sql: bool) -> None:
        """Raise where plans cannot be written, or would take the place of what is read, before anything is read."""
        from dedupaudit.commands.answering import refuse_output
        from dedupaudit.errors import UsageError

        if self.output == "-" and (sql or not self.is_one):
            what = "--sql and -o - both want" if sql else "the plans of several tables cannot share"
            raise UsageError(f"{what} stdout", "write them into files: -o plan.jsonl, or a folder: -o plans/")
        # What `dedupaudit.toml` says of a report's place is not said of a plan's.
        if self.output is not None and not self.is_folder:
            refuse_output(settings)

    def path(self, table: str) -> str | None:
        """Return the file of a table's plan; makes the folder. None where the plan goes into no file."""
        from urllib.parse import quote as percent_encoded

        from dedupaudit.reports.write import explained

        if self.output in (None, "-"):
            return None
        if not self.is_folder:
            return self.output
        folder = Path(str(self.output))
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return str(folder / f"{percent_encoded(table, safe='')}.jsonl")


class _Planning:
    """Plans one table after the other, and answers for all of them."""

    def __init__(
        self, runtime: Runtime, settings: Settings, request: PlanRequest, places: _Places, *, sql: bool
    ) -> None:
        self.runtime, self.settings, self.request, self.places, self.sql = runtime, settings, request, places, sql
        self.aside = places.output == "-" or sql
        self.documents: list[dict[str, object]] = []
        self.codes: set[int] = set()

    def plan(self, tables: Sequence[str]) -> int:
        """Plan all tables, and return the exit code; the failure of one leaves the others."""
        from dedupaudit.commands.planning import explainer_of
        from dedupaudit.commands.running import announcing, progress_for
        from dedupaudit.migrate.planning import plan_migration
        from dedupaudit.migrate.wanted import names_of

        interrupt, options = self.runtime.interrupt, self.settings.options
        with ExitStack() as stack:
            progress = progress_for(options, stack)
            names = names_of(self.settings, tables, interrupt, progress)
            explainer = explainer_of(self.settings, self.runtime, progress, stack, "migrate")
            for number, name in enumerate(names):
                try:
                    plan = plan_migration(
                        self.settings,
                        replace(self.request, table=name),
                        interrupt=interrupt,
                        progress=progress,
                        announce=announcing(options),
                        explainer=explainer,
                    )
                    path = self._written(plan)
                except AuditError as error:
                    if len(names) == 1:
                        raise
                    self._complain(name, error)
                    continue
                self._tell(plan, path, is_first=number == 0)
        self._answer()
        return next((int(code) for code in _WORST if code in self.codes), 0)

    def _written(self, plan: MigrationPlan) -> str | None:
        """Write a plan that nothing forbids, and return its file; `-` is stdout."""
        from dedupaudit.commands.answering import print_lines, where
        from dedupaudit.commands.outputs import refuse_inputs
        from dedupaudit.migrate.as_sql import plan_as_sql
        from dedupaudit.migrate.planfile import write_migration
        from dedupaudit.reports.write import Replacing, explained

        if plan.refused:
            return None
        path = self.places.path(plan.header.table)
        if path is not None:
            options = self.settings.options.model_copy(update={"output": path})
            refuse_inputs(replace(self.settings, options=options))
            with Replacing(Path(path)) as file, explained(Path(path)):
                write_migration(file.stream, plan.header, plan.steps)
        elif self.places.output == "-":
            write_migration(sys.stdout.buffer, plan.header, plan.steps)
            sys.stdout.buffer.flush()
        if self.sql:
            print_lines(plan_as_sql(plan.header, plan.steps, where()))
        return path or self.places.output

    def _tell(self, plan: MigrationPlan, path: str | None, *, is_first: bool) -> None:
        """Say what a plan comes to: on stdout, unless the plan or its SQL went there."""
        from dedupaudit.commands.answering import tell_plan, width_of
        from dedupaudit.migrate.telling_json import plan_json
        from dedupaudit.migrate.telling_plan import plan_lines

        header, options = plan.header, self.settings.options
        if options.format == "json":
            self.documents.append(plan_json(header, plan.steps, path))
        elif not (self.aside and options.quiet):
            width = width_of(sys.stderr if self.aside else sys.stdout)
            lines = plan_lines(header, plan.steps, width, in_full=options.verbose, briefly=self.aside)
            apart = [] if is_first else ["", ""]
            tell_plan([*apart, *lines, *self._next(plan, path)], aside=self.aside)
        if plan.refused:
            self._refused(plan)

    def _refused(self, plan: MigrationPlan) -> None:
        """Say on stderr what forbids it: in full where nobody saw it yet."""
        from dedupaudit.display import escape

        table, options = plan.header.table, self.settings.options
        if options.format == "json" or (self.aside and options.quiet):
            for concern in plan.refused:
                self._complain(table, Refused(escape(concern.message), escape(concern.hint)))
            return
        reasons = "one reason" if len(plan.refused) == 1 else f"{len(plan.refused)} reasons"
        told = f"refused, for {reasons} (under PREFLIGHT); no plan was written"
        self._complain(table, Refused(told))

    def _complain(self, table: str, error: AuditError) -> None:
        """Say what one table's plan came to; the others are planned all the same."""
        from dedupaudit.display import visible
        from dedupaudit.saying import complain

        self.codes.add(error.exit_code)
        complain(error.id, f"{visible(table)}: {error.message}", error.hint, error.exit_code)

    def _next(self, plan: MigrationPlan, path: str | None) -> list[str]:
        """Return what to type next."""
        from dedupaudit.commands.answering import file_word, where
        from dedupaudit.display import visible

        if plan.refused or plan.is_done:
            return []
        if path is None:
            return (
                []
                if self.sql
                else ["", "No plan was saved, and nothing was changed: -o FILE writes it, --sql shows it."]
            )
        if path == "-":
            return ["", "Nothing was changed."]
        table = quote(visible(plan.header.table))
        return [
            "",
            f"The plan is in {visible(path)}; nothing was changed. To apply it (within the hour):",
            f"  dedupaudit migrate apply {file_word(path)}{where()} --confirm {table}",
        ]

    def _answer(self) -> None:
        from dedupaudit.commands.answering import tell_plan
        from dedupaudit.repair.telling import as_json

        if self.settings.options.format == "json":
            tell_plan([as_json({"plans": self.documents})], aside=self.aside)
