"""Completion in the real shells: what is offered, what is inserted, and that nothing foreign in it is ever run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dedupaudit.checks import CHECK_NAMES, LOG_CHECKS, OBJECT_CHECKS, TABLE_CHECKS
from dedupaudit.commands.cli import COMMANDS
from dedupaudit.commands.completing import SHELLS
from dedupaudit.commands.repair import COMMANDS as REPAIR_COMMANDS
from dedupaudit.drill.strategies import STRATEGIES
from dedupaudit.reports import FORMATS
from tests.cli.shells import environment, offers, typed
from tests.conftest import ROOT, Run, SqliteDb

CONFIGURATION = r"""
[tables.activities]
[tables."evil$(touch PWNED)"]
[tables."b\"a'd`touch PWNED`"]
[tables."c;touch PWNED;*"]
[tables."~"]
[tables."--exit-zero"]
[tables."new\nline"]
[tables."turn\u202eed"]
"""
EVIL = ["evil$(touch PWNED)", "b\"a'd`touch PWNED`", "c;touch PWNED;*"]


class Shell:
    """One shell, which has read the script, in a folder with a configuration."""

    def __init__(self, name: str, folder: Path, env: dict[str, str], script: Path) -> None:
        self.name, self.folder, self.env, self.script = name, folder, env, script

    def offers(self, line: str) -> list[str]:
        return offers(self.name, line, self.script, self.env, self.folder)

    def typed(self, line: str) -> list[str]:
        return typed(self.name, line, self.script, self.env, self.folder)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, run: Run, clean_env: dict[str, str]) -> Shell:
    """Return each shell in its turn; `folder` holds a configuration whose tables' names are hostile."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "dedupaudit.toml").write_text(CONFIGURATION)
    script = tmp_path / f"script.{request.param}"
    script.write_bytes(run("completion", request.param).out)
    return Shell(request.param, folder, environment(tmp_path, clean_env), script)


def test_commands_options_choices_and_checks_are_offered(shell: Shell) -> None:
    assert shell.offers("dedupaudit ") == list(COMMANDS)
    assert shell.offers("dedupaudit repair ") == list(REPAIR_COMMANDS)
    assert shell.offers("dedupaudit scan -f ") == list(FORMATS)
    assert shell.offers("dedupaudit scan --fail") == ["--fail-on"]
    before = "--format=" if shell.name == "fish" else ""
    assert shell.offers("dedupaudit scan --format=js") == [f"{before}json", f"{before}jsonl"]
    assert shell.offers("dedupaudit scan --check ") == [check.name for check in TABLE_CHECKS]
    assert shell.offers("dedupaudit crosscheck --skip-check ") == [check.name for check in OBJECT_CHECKS]
    assert shell.offers("dedupaudit logs --check ") == [check.name for check in LOG_CHECKS]
    assert shell.offers("dedupaudit audit --check ") == list(CHECK_NAMES)
    assert shell.offers("dedupaudit drill --strategy un") == ["unique"]
    names = [strategy.name for strategy in STRATEGIES if strategy.name != "unique"]
    assert shell.offers("dedupaudit drill --strategy unique --strategy ") == ["all", *names]


def test_where_nothing_fits_nothing_is_offered(shell: Shell) -> None:
    assert shell.offers("dedupaudit sacn ") == []
    assert shell.offers("dedupaudit scan nonesuch") == []
    assert shell.offers("dedupaudit explain ") == []


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("crossc", ["crosscheck"]),
        ("scan act", ["scan", "activities"]),
        ("scan --db sqlite:///app.db act", ["scan", "--db", "sqlite:///app.db", "activities"]),
        ("scan --format=jun", ["scan", "--format=junit"]),
        ("scan activities --fail-on med", ["scan", "activities", "--fail-on", "medium"]),
        ("repair apply --confirm act", ["repair", "apply", "--confirm", "activities"]),
        ("repair apply my", ["repair", "apply", "my $(touch PWNED).jsonl"]),
        ("report -o my", ["report", "-o", "my notes.txt"]),
        ("report --output=my", ["report", "--output=my notes.txt"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tab_completes_the_line(shell: Shell, line: str, arguments: list[str]) -> None:
    name = "my notes.txt" if "report" in line else "my $(touch PWNED).jsonl"
    (shell.folder / name).touch()
    assert shell.typed(f"dedupaudit {line}") == arguments
    assert not (shell.folder / "PWNED").exists()


@pytest.mark.parametrize("name", EVIL)
def test_a_hostile_table_name_is_one_argument_and_runs_nothing(shell: Shell, name: str) -> None:
    assert shell.typed(f"dedupaudit scan {name[0]}") == ["scan", name]
    assert not (shell.folder / "PWNED").exists()


def test_a_name_that_no_line_can_hold_as_it_is_is_not_offered(shell: Shell) -> None:
    offered = shell.offers("dedupaudit scan ")
    assert len(offered) == 1 + len(EVIL)
    assert not any(part in name for name in offered for part in ("line", "turn", "~", "--"))


def test_a_table_that_stands_on_the_line_is_not_offered_again(shell: Shell) -> None:
    assert "activities" not in shell.offers("dedupaudit scan activities ")


def test_config_on_the_line_names_the_tables(shell: Shell) -> None:
    (shell.folder / "other.toml").write_text("[tables.elsewhere]\n")
    assert shell.offers("dedupaudit scan --config other.toml ") == ["elsewhere"]
    assert shell.offers("dedupaudit scan --config=other.toml ") == ["elsewhere"]
    shell.env["DEDUPAUDIT_CONFIG"] = "other.toml"
    assert shell.offers("dedupaudit repair plan ") == ["elsewhere"]


def test_without_tables_in_the_configuration_the_usual_ones_are_offered(shell: Shell) -> None:
    (shell.folder / "dedupaudit.toml").unlink()
    assert shell.offers("dedupaudit scan ") == ["activities", "screenshots", "processes"]


def test_runs_of_the_history_are_offered_the_newest_first(shell: Shell, run: Run, sqlite_db: SqliteDb) -> None:
    database = sqlite_db("CREATE TABLE activities (activity_id TEXT PRIMARY KEY, created_at INTEGER);")
    for _ in range(2):
        run("scan", "--db", f"sqlite:///{database}", "--history", "runs.db", "-f", "json")
    listed = run("history", "--history", "runs.db", "-f", "json").json()["runs"]
    (shell.folder / "dedupaudit.toml").write_text('[options]\nhistory = "../runs.db"\n')
    expected = ["last", *(one["id"] for one in reversed(listed))]
    assert len(expected) == 3
    assert shell.offers("dedupaudit history show ") == expected
    assert shell.offers("dedupaudit scan --baseline ") == expected


@pytest.mark.parametrize("broken", ["[broken", "[tables.a]\nnonsense = 1\n", "[database]\nurl = 'nothing'\n"])
def test_a_broken_configuration_completes_no_table_and_says_nothing(shell: Shell, broken: str) -> None:
    (shell.folder / "dedupaudit.toml").write_text(broken)
    assert shell.offers("dedupaudit scan ") == []
    assert shell.offers("dedupaudit scan -f ter") == ["terminal"]


def test_nothing_that_was_asked_ends_in_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_bytes(b"\xff\xfe")
    lines = ["", "dedupaudit", "dedupaudit scan ", "dedupaudit 'scan", "dedupaudit scan --config nonesuch ", "\\", "'"]
    for line in lines:
        for shell in (*SHELLS, "tcsh"):
            done = run(env={"_DEDUPAUDIT_COMPLETE": f"{shell}_complete", "_DEDUPAUDIT_LINE": line})
            assert (done.code, done.err) == (0, b""), (shell, line)
    done = run(env={"_DEDUPAUDIT_COMPLETE": "bash_complete"})
    assert (done.code, done.out, done.err) == (0, b"", b"")


def test_an_answer_comes_fast_and_imports_no_driver(tmp_path: Path, clean_env: dict[str, str]) -> None:
    (tmp_path / "dedupaudit.toml").write_text(
        "[tables.activities]\n[database]\nurl = 'postgresql://nobody@nowhere/x'\n"
    )
    question = {"_DEDUPAUDIT_COMPLETE": "bash_complete", "_DEDUPAUDIT_LINE": "dedupaudit scan "}
    env = {**clean_env, "PYTHONPATH": str(ROOT), **question}
    cost = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run((sys.executable, "-m", "dedupaudit"), env=env, cwd=tmp_path, capture_output=True)
        after = os.times()
        cost.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert done.stdout == b"plain\tactivities\n"
    # Seconds of CPU time: a busy machine makes everything wait.
    assert min(cost) < 0.4
    imports = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "dedupaudit"), env=env, cwd=tmp_path, capture_output=True
    )
    imported = {line.rpartition(b"|")[2].strip() for line in imports.stderr.splitlines()}
    assert b"click" in imported
    assert imported.isdisjoint({b"sqlalchemy", b"duckdb", b"psycopg2", b"pymysql", b"oss2", b"rich"})
