"""`dedupaudit demo`: builds the incident in a folder, audits it, and checks itself against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dedupaudit.commands.options import option, settings_of, shared
from dedupaudit.interrupt import Runtime

if TYPE_CHECKING:
    from dedupaudit.config import Settings
    from dedupaudit.demo import Truth

HELP = """\b
Examples:
  dedupaudit demo
  dedupaudit demo /tmp/incident --rows 100000
  dedupaudit demo -f json -o report.json

Build a small incident in DIR (default ./dedupaudit-demo): a database, objects, logs, a configuration, and truth.json,
which lists every planted case. Then audit it (scan, crosscheck and logs) and compare the report, causes included, with
the truth. Nothing that the demo did not make is overwritten; the same seed makes the same incident.
"""


@click.command("demo", help=HELP)
@click.argument("directory", metavar="[DIR]", default="dedupaudit-demo", type=click.Path(path_type=Path))
@option(
    "--rows", type=click.IntRange(0, 10_000_000), default=600, show_default=True, help="Good rows beside the cases."
)
@option("--seed", type=int, default=2025, show_default=True, help="Another seed makes another incident.")
@shared("output", "talk")
@click.pass_obj
def command(runtime: Runtime, /, directory: Path, rows: int, seed: int, **given: Any) -> int:
    """Build, audit, compare, and say what to type next."""
    from dedupaudit.commands.rendering import report_to
    from dedupaudit.commands.running import audit_with
    from dedupaudit.demo import build, disagreements
    from dedupaudit.display import visible
    from dedupaudit.errors import RunFailed

    options = settings_of(given).options
    truth = build(directory, rows=rows, seed=seed)
    settings = _settings(directory, given)
    outcome = audit_with(runtime, settings, "demo")
    report_to(outcome.report, options)
    if outcome.signum is not None:
        return 128 + outcome.signum
    wrong = disagreements(outcome.report, truth)
    if wrong:
        raise RunFailed(
            "the report misses the truth:\n  " + "\n  ".join(wrong[:20]),
            f"the truth is in {visible(str(directory / 'truth.json'))}; this is a defect, please report it",
        )
    if not options.quiet:
        _say_checked(directory, truth)
        _say_plan(runtime, settings)
        _say_next(directory)
    return 0


def _settings(directory: Path, given: dict[str, Any]) -> Settings:
    """Return the demo's own configuration; only what was given for output counts beside it."""
    from dedupaudit.config import load_settings

    # What a user's environment says of other databases must not lead the demo to them.
    overrides = {name: value for name, value in given.items() if value is not None}
    return load_settings(
        directory / "dedupaudit.toml",
        cwd=Path.cwd(),
        environ={},
        overrides={**overrides, "max_findings": 10_000, "check": [], "skip_check": []},
    )


def _say_checked(directory: Path, truth: Truth) -> None:
    """Say on stderr that the report was right."""
    from shlex import quote

    from dedupaudit.display import visible
    from dedupaudit.saying import show

    place = f"{visible(quote(str(directory)))}/truth.json"
    found = f"all {len(truth.findings)} planted findings found, nothing else reported."
    show("demo.checked", ["", f"Checked against {place}: {found}"])


def _say_plan(runtime: Runtime, settings: Settings) -> None:
    """Say on stderr what a repair of the activities would do; nothing is written."""
    from dedupaudit.progress import SILENT
    from dedupaudit.repair.plan import Limit
    from dedupaudit.repair.planning import PlanRequest, planned
    from dedupaudit.repair.telling import plan_summary
    from dedupaudit.saying import show

    # As many rows as were asked for: the share of duplicates is the demo's own, and no sign of a wrong key.
    request = PlanRequest("activities", Limit(percent=100.0))
    with planned(settings, request, interrupt=runtime.interrupt, progress=SILENT) as (plan, _table):
        lines = plan_summary(plan.header)
    show("demo.plan", ["", "What a repair of the activities would do (nothing was changed):", "", *lines])


def _say_next(directory: Path) -> None:
    """Say on stderr what to type next."""
    from shlex import quote

    from dedupaudit.display import visible
    from dedupaudit.saying import show

    lines = (
        "\nWhat to type next:\n"
        f"  cd {visible(quote(str(directory)))}\n"
        "  dedupaudit explain activity_1766557428498        one ID's story across logs, rows and objects\n"
        "  dedupaudit audit                                 the same audit; the configuration is found by itself\n"
        "  dedupaudit audit --findings findings.csv         every finding, for a spreadsheet\n"
        "  dedupaudit scan activities -f json               one table alone, for programs\n"
        "  dedupaudit logs                                  what the logs tell alone\n"
        "  dedupaudit repair plan activities -o plan.jsonl  the plan as a file: what goes, what stays, why\n"
        "  dedupaudit repair apply plan.jsonl               do what it says: it asks first, and keeps what it removes\n"
        "  dedupaudit repair undo last                      bring all of it back\n"
        "  dedupaudit scan --db sqlite:///your.db           your own database: nothing in it is changed"
    )
    show("demo.next", lines.split("\n"))
