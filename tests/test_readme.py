"""The README, its pages in docs/ and the program say the same: commands, options, exit codes, checks."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click
import pytest

from dedupaudit.checks import OBJECT_CHECKS, TABLE_CHECKS
from dedupaudit.commands.cli import COMMANDS, cli
from dedupaudit.commands.migrate import COMMANDS as MIGRATE_COMMANDS
from dedupaudit.commands.repair import COMMANDS as REPAIR_COMMANDS
from dedupaudit.errors import ExitCode

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/options.md", "docs/audit.md", "docs/reports.md")
README = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
"""One text in four files."""
GROUPS = {"repair": REPAIR_COMMANDS, "migrate": MIGRATE_COMMANDS}
"""Commands that hold others; each has a section of its own."""
SIGNALS = {129, 130, 141, 143}


def rows_below(heading: str) -> list[list[str]]:
    """Return the cells of the tables in the section of this heading, the headings of the tables left out."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert section, f"no page has a section {heading}"
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = [number for number, row in enumerate(cells) if set("".join(row)) <= set("-: ")]
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def command(name: str) -> click.Command:
    """Return a command by its name; one of a group is `repair plan`."""
    found = import_module(f"dedupaudit.commands.{name.replace(' ', '.')}").command
    assert isinstance(found, click.Command)
    return found


def options(parameters: list[click.Parameter]) -> set[str]:
    return {name for parameter in parameters if isinstance(parameter, click.Option) for name in parameter.opts}


EVERY_COMMAND = (*COMMANDS, *(f"{group} {name}" for group, names in GROUPS.items() for name in names))


def every_option() -> set[str]:
    named = set().union(*(options(command(name).params) for name in EVERY_COMMAND), options(cli.params))
    return named | {"--help", "-h"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_row(name: str) -> None:
    first = [row[0] for row in rows_below("Use")]
    assert [cell for cell in first if re.match(rf"`{name}\b", cell)]


def test_no_row_names_a_command_that_does_not_exist() -> None:
    first = [row[0] for row in rows_below("Use")]
    words = {found for cell in first for found in re.findall(r"`([a-z]+)[^`]*`", cell)}
    assert words == set(COMMANDS) | (set().union(*GROUPS.values()) - {"plan"})


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_of_a_group_has_its_row_and_no_other_has(group: str) -> None:
    first = [row[0] for row in rows_below(group.capitalize())]
    found = [match[1] for cell in first if (match := re.match(rf"`({group} \w+)", cell))]
    assert found == [f"{group} {name}" for name in GROUPS[group]]
    (joined,) = [row[0] for row in rows_below("Use") if row[0].startswith(f"`{group} ")]
    assert re.findall(rf"`(?:{group} )?(\w+)`", joined) == list(GROUPS[group])


@pytest.mark.parametrize(("group", "plain"), [("repair", "runs"), ("migrate", "status")])
def test_every_option_of_a_group_is_in_the_row_that_names_its_commands(group: str, plain: str) -> None:
    shared = options(command(f"{group} {plain}").params)
    own = {name: options(command(f"{group} {name}").params) - shared for name in GROUPS[group]}
    told: dict[str, set[str]] = {name: set() for name in GROUPS[group]}
    for row in rows_below(group.capitalize()):
        for name in re.findall(r"`(\w+)`", row[1]) if row[0].startswith("`--") else ():
            told[name] |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", row[0]))
    # The --strategy of a drill is not that of a migration.
    plain_commands = [name for name in COMMANDS if name not in (*GROUPS, "drill")]
    others = set().union(*(options(command(name).params) for name in plain_commands))
    assert told == {name: found - others for name, found in own.items()}


@pytest.mark.parametrize("name", sorted(every_option()))
def test_every_option_is_named(name: str) -> None:
    assert re.search(rf"`[^`]*(?<![\w-]){re.escape(name)}(?![\w-])[^`]*`", README)


def test_no_option_is_named_that_does_not_exist() -> None:
    cells = [cell for heading in ("Use", "Options", "Repair", "Migrate") for row in rows_below(heading) for cell in row]
    named = {found for cell in cells for found in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}
    assert named <= every_option()


def test_the_exit_codes_are_the_programs() -> None:
    codes = {int(number) for row in rows_below("Exit codes") for number in re.findall(r"\d+", row[0])}
    assert codes == {code.value for code in ExitCode} | SIGNALS
    assert all(row[1] for row in rows_below("Exit codes"))


def test_the_checks_and_their_severities_are_the_programs() -> None:
    rows = {row[0].strip("`"): row[1] for row in rows_below("The checks")}
    assert rows == {check.name: check.severity for check in TABLE_CHECKS}
    rows = {row[0].strip("`"): row[1] for row in rows_below("Rows against objects")}
    assert rows == {check.name: check.severity for check in OBJECT_CHECKS}


def test_every_command_line_in_a_code_block_parses() -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("dedupaudit ")]
    typed = [re.split(r" [#|]", line)[0].split()[1:] for line in lines if "UTC" not in line]
    assert typed
    for words in typed:
        if words[0].startswith("--"):
            assert words[0] in every_option()
            continue
        depth = 2 if words[0] in GROUPS else 1
        command(" ".join(words[:depth])).make_context(words[0], words[depth:]).close()
