"""Flag > environment > nearest dedupaudit.toml > user's folder; every option of `scan` has its variable."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from dedupaudit.commands.drill import command as drill
from dedupaudit.commands.options import settings_of
from dedupaudit.commands.scan import command as scan
from tests.cli.reading import report_of, said
from tests.conftest import Run

OPTIONS = [parameter for parameter in scan.params if isinstance(parameter, click.Option)]

# What each variable says, and what becomes of it in Settings.
VALUES: dict[str, tuple[str, Any]] = {
    "db": ("sqlite:////tmp/a b.db", None),
    "config": ("other.toml", None),
    "timeout": ("10min", 600.0),
    "format": ("json", "json"),
    "output": ("report.json", "report.json"),
    "no_color": ("1", True),
    "fail_on": ("high", "high"),
    "exit_zero": ("true", True),
    "check": ("null_ids, blank_ids", ("null_ids", "blank_ids")),
    "skip_check": ("near_equal_ids", ("near_equal_ids",)),
    "distrust_indexes": ("yes", True),
    "stuck_after": ("7d", 604_800.0),
    "history": ("kept.db", "kept.db"),
    "baseline": ("last", "last"),
    "notify": ("json://a/ xml://b/", ("json://a/", "xml://b/")),
    "lock": ("on", True),
    "mask": ("id, device_id", ("id", "device_id")),
    "mask_key_file": ("key", "key"),
    "log_json": ("1", True),
    "engine": ("pushdown", "pushdown"),
    "findings": ("all.csv", "all.csv"),
    "max_findings": ("7", 7),
    "memory_limit": ("1GB", 1_000_000_000),
    "quiet": ("1", True),
    "verbose": ("1", True),
    "no_progress": ("1", True),
}


def test_every_option_of_every_command_has_its_variable() -> None:
    for name in ("demo", "init", "scan", "report", "drill"):
        command = import_module(f"dedupaudit.commands.{name}").command
        options = [option for option in command.params if isinstance(option, click.Option)]
        wanted = {option.name: f"DEDUPAUDIT_{option.name}".upper() for option in options if option.name}
        assert {option.name: option.envvar for option in options} == wanted


def test_there_is_a_value_to_try_for_every_option() -> None:
    assert {option.name for option in OPTIONS} == set(VALUES)


@pytest.mark.parametrize("name", [name for name in VALUES if VALUES[name][1] is not None])
def test_the_variable_of_an_option_is_heard_and_a_flag_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in [variable for variable in os.environ if variable.startswith(("DEDUPAUDIT_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Whoever is once told to speak JSON speaks it to the end of the process: of this one too.
    monkeypatch.setattr("dedupaudit.saying._speaks_json", True)
    text, value = VALUES[name]
    monkeypatch.setenv(f"DEDUPAUDIT_{name.upper()}", text)
    with scan.make_context("scan", []) as context:
        options = settings_of({key: given for key, given in context.params.items() if key != "tables"}).options
    assert getattr(options, name) == value
    other = {"format": "terminal", "fail_on": "low", "engine": "auto", "timeout": "1s", "stuck_after": "1s"}
    flag = next(option for option in OPTIONS if option.name == name)
    if not flag.is_flag:
        said_by_flag = other.get(name, {"max_findings": "8", "memory_limit": "2GB"}.get(name, "x.jsonl"))
        with scan.make_context("scan", [f"--{name.replace('_', '-')}", said_by_flag]) as context:
            options = settings_of({key: given for key, given in context.params.items() if key != "tables"}).options
        assert getattr(options, name) != value


def test_the_variables_of_a_drills_own_options_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, tuple[str, Any]] = {
        "redis": ("redis://cache", "redis://cache"),
        "strategy": ("unique, version", ("unique", "version")),
        "writers": ("8", 8),
        "ids": ("60", 60),
        "seed": ("7", 7),
        "against": ("a table", "a table"),
        "value": ("a=x; y, z\nb=", ("a=x; y, z", "b=")),
        "clean": ("1", True),
    }
    for name, (text, _value) in said.items():
        monkeypatch.setenv(f"DEDUPAUDIT_{name.upper()}", text)
    with drill.make_context("drill", []) as context:
        assert {name: context.params[name] for name in said} == {name: value for name, (_text, value) in said.items()}
    with drill.make_context("drill", ["--strategy", "unique", "--writers", "9"]) as context:
        assert (context.params["strategy"], context.params["writers"]) == (("unique",), 9)


def used(run: Run, cwd: Path, *arguments: str, **env: str) -> int:
    """Return how many findings the report holds at most, as the program understood it."""
    done = run("scan", "-f", "json", *arguments, cwd=cwd, env=env)
    assert done.code == 1, done.err
    return len(report_of(done)["findings"])


def test_a_flag_goes_before_the_environment_before_the_file_before_the_users_own(
    run: Run, tmp_path: Path, incident: Path
) -> None:
    folder = tmp_path / "xdg" / "dedupaudit"
    folder.mkdir(parents=True)
    (folder / "dedupaudit.toml").write_text(
        f'[database]\nurl = "sqlite:///{incident / "app.db"}"\n[options]\nmax_findings = 4\n'
    )
    project = tmp_path / "project"
    below = project / "deeper" / "still"
    below.mkdir(parents=True)
    xdg = str(tmp_path / "xdg")
    assert used(run, below, XDG_CONFIG_HOME=xdg) == 4
    (project / "dedupaudit.toml").write_text("[options]\nmax_findings = 3\n")
    assert used(run, below, XDG_CONFIG_HOME=xdg) == 3
    assert used(run, below, XDG_CONFIG_HOME=xdg, DEDUPAUDIT_MAX_FINDINGS="2") == 2
    assert used(run, below, "--max-findings", "1", XDG_CONFIG_HOME=xdg, DEDUPAUDIT_MAX_FINDINGS="2") == 1
    # Of two files on the way up the nearest counts, alone.
    (below / "dedupaudit.toml").write_text("")
    assert used(run, below, XDG_CONFIG_HOME=xdg) == 4


def test_a_path_in_a_file_counts_from_the_file_and_one_on_the_command_line_from_here(
    run: Run, incident: Path, tmp_path: Path
) -> None:
    below = tmp_path / "project" / "below"
    below.mkdir(parents=True)
    (tmp_path / "project" / "app.db").symlink_to(incident / "app.db")
    (tmp_path / "project" / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n[options]\noutput = "r.json"\nformat = "json"\n'
    )
    assert run("scan", cwd=below).code == 1
    assert (tmp_path / "project" / "r.json").exists()
    assert run("scan", "-o", "here.json", cwd=below).code == 1
    assert (below / "here.json").exists()
    done = run("scan", "--db", "sqlite:///app.db", cwd=below)
    assert done.code == 3
    assert str(below / "app.db") in said(done)
    assert run("scan", "--db", "sqlite:///../app.db", cwd=below).code == 1


def test_several_databases_in_one_variable(run: Run, clean: Path, duplicates: Path) -> None:
    done = run("scan", "-f", "json", env={"DEDUPAUDIT_DB": f"a=sqlite:///{clean} b=sqlite:///{duplicates}"})
    assert set(report_of(done)["summary"]["tables"]) == {"a.activities", "b.activities"}


@pytest.mark.parametrize("variable", ["DEDUPAUDIT_QUIET", "DEDUPAUDIT_FORMAT", "DEDUPAUDIT_TIMEOUT"])
def test_nonsense_in_a_variable_is_2(run: Run, clean: Path, variable: str) -> None:
    done = run("scan", "--db", f"sqlite:///{clean}", env={variable: "nonsense"})
    assert done.code == 2
    assert variable.removeprefix("DEDUPAUDIT_").lower() in said(done)


def test_the_demo_is_not_led_to_another_database(run: Run, tmp_path: Path, duplicates: Path) -> None:
    (tmp_path / "dedupaudit.toml").write_text(f'[database]\nurl = "sqlite:///{duplicates}"\n')
    env = {"DEDUPAUDIT_DB": f"sqlite:///{duplicates}", "DEDUPAUDIT_CHECK": "null_ids", "DEDUPAUDIT_MAX_FINDINGS": "1"}
    done = run("demo", "here", "-f", "json", env=env)
    assert done.code == 0
    assert set(report_of(done)["summary"]["tables"]) == {"db.activities", "db.screenshots", "db.processes"}
