"""Help: it begins with examples, works by -h, names the nearest word, and costs no configuration."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from dedupaudit.commands.cli import COMMANDS, EXAMPLES
from dedupaudit.commands.history import COMMANDS as HISTORY_COMMANDS
from dedupaudit.commands.migrate import COMMANDS as MIGRATE_COMMANDS
from dedupaudit.commands.repair import COMMANDS as REPAIR_COMMANDS
from dedupaudit.errors import ExitCode
from tests.cli.reading import said
from tests.conftest import Run

GROUPS = {"repair": REPAIR_COMMANDS, "migrate": MIGRATE_COMMANDS, "history": HISTORY_COMMANDS}
OF_GROUPS = [(group, name) for group, names in GROUPS.items() for name in names]
EVERY_COMMAND = [[], *([name] for name in COMMANDS), *([group, name] for group, name in OF_GROUPS)]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_help_begins_with_examples_and_fits_80_columns(run: Run, command: list[str]) -> None:
    long, short = run(*command, "--help"), run(*command, "-h")
    assert long.code == short.code == 0
    assert long.out == short.out
    lines = long.out.decode().splitlines()
    assert lines[0].startswith("Usage: dedupaudit")
    assert lines[2].strip() == "Examples:"
    assert lines[3].strip().startswith("dedupaudit ")
    assert max(map(len, lines)) <= 80


def test_the_help_of_the_program_lists_every_command_and_exit_code(run: Run) -> None:
    text = run("--help").out.decode()
    assert all(f"\n  {name} " in text for name in COMMANDS)
    codes = text.partition("Exit codes:")[2]
    assert all(f" {code.value} " in codes for code in ExitCode)


@pytest.mark.parametrize("group", GROUPS)
def test_the_help_of_a_group_lists_every_command_of_it(run: Run, group: str) -> None:
    text = run(group, "--help").out.decode()
    assert all(f"\n  {name} " in text for name in GROUPS[group])


@pytest.mark.parametrize("group", ["repair", "migrate"])
def test_a_group_alone_is_2_and_shows_its_help_on_stderr(run: Run, group: str) -> None:
    done = run(group)
    assert (done.code, done.out) == (2, b"")
    assert "Examples:" in said(done)


@pytest.mark.parametrize("words", EVERY_COMMAND[1:], ids=" ".join)
def test_the_examples_of_a_command_parse(words: list[str]) -> None:
    text = import_module(".".join(("dedupaudit.commands", *words))).command.help
    examples = text.partition("Examples:\n")[2].partition("\n\n")[0].replace("\n      ", " ").splitlines()
    assert len(examples) >= 2
    for example in examples:
        # What comes before and after it in a pipe, where its output goes, and a remark are not its own.
        line = next(part for part in example.split("|") if f"dedupaudit {words[0]}" in part)
        typed = shlex.split(re.split(r">|   ", line.strip())[0])
        assert typed[: 1 + len(words)] == ["dedupaudit", *words]
        name, *rest = typed[1:]
        if name in GROUPS and rest and rest[0] in GROUPS[name]:
            command = import_module(f"dedupaudit.commands.{name}.{rest[0]}").command
            rest = rest[1:]
        else:
            command = import_module(f"dedupaudit.commands.{name}").command
        command.make_context(name, rest).close()


@pytest.mark.parametrize("example", [line for line in EXAMPLES.splitlines() if line.strip().startswith("dedupaudit ")])
def test_the_examples_are_commands_that_parse(run: Run, example: str) -> None:
    words = shlex.split(example.strip().partition("  ")[0])
    done = run(*words[1:], "--help")
    assert done.code == 0


def test_help_works_beside_a_broken_configuration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text("[broken")
    assert run("--help").code == 0
    assert run("scan", "--help").code == 0
    assert run("schema", "config").code == 0
    assert run("scan").code == 2


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sacn", "scan"),
        ("reprot", "report"),
        ("Demo", "demo"),
        ("repair aply", "apply"),
        ("repair udno", "undo"),
        ("migrate rolback", "rollback"),
    ],
)
def test_a_mistyped_command_names_the_nearest(run: Run, typed: str, meant: str) -> None:
    done = run(*typed.split())
    assert done.code == 2
    assert f"did you mean {meant}?" in said(done)


def test_the_version_is_one_line(run: Run) -> None:
    from dedupaudit import __version__

    assert run("--version").out.decode() == f"dedupaudit, version {__version__}\n"
