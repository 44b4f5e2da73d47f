"""Hostile names and values reach no terminal raw, whatever command of `migrate` meets them, and run nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.reading import dangerous, said, strict_json
from tests.cli.test_hostile import BLINK, KEY, TABLE, VALUES, sql_name, toml_text
from tests.conftest import Run

NAME = f"t{BLINK}[bold]/../x"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a hostile name: two equal rows of each hostile key that is not blank."""
    folder = tmp_path / f"a {BLINK}[bold]\n=x"
    folder.mkdir()
    table, key, seq = map(sql_name, (TABLE, KEY, f's`e"q{BLINK}'))
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute(f"CREATE TABLE {table} ({seq} TEXT PRIMARY KEY, {key}, data)")
        for number, value in enumerate(value for value in VALUES if value.strip()):
            for half in ("a", "b"):
                connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (f"{value}{half}{number}", value, value))
        connection.commit()
    (folder / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n'
        f"[tables.{toml_text(NAME)}]\nname = [{toml_text(TABLE)}]\nkey = [{toml_text(KEY)}]\n"
        "constraint = 'on\"e; DROP TABLE x --'\n",
        encoding="utf-8",
    )
    return folder


def content(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.text_factory = bytes
        return [repr(row) for row in connection.execute(f"SELECT * FROM {sql_name(TABLE)}")]


def test_all_of_it_is_planned_applied_shown_and_rolled_back(run: Run, folder: Path) -> None:
    before = content(folder)
    commands: list[list[str | os.PathLike[str]]] = [
        ["status"],
        ["plan", NAME, "--max-delete", "100%"],
        ["plan", NAME, "--max-delete", "100%", "-v"],
        ["plan", "--max-delete", "100%", "-o", "plans/"],
        ["plan", NAME, "--max-delete", "100%", "-o", "plan.jsonl", "-f", "json"],
        ["plan", NAME, "--max-delete", "100%", "-o", "-"],
        ["plan", NAME, "--max-delete", "100%", "--sql"],
        ["apply", "plan.jsonl", "--confirm", NAME],
        ["apply", "plan.jsonl", "--confirm", NAME, "-f", "json"],
        ["status"],
        ["status", NAME, "-f", "json"],
        ["rollback", NAME, "--confirm", NAME],
    ]
    for command in commands:
        done = run("migrate", *command, cwd=folder)
        assert done.code == 0, (command, said(done))
        assert not dangerous(done.out.decode("utf-8")), command
        assert not dangerous(done.err.decode("utf-8")), command
        if "json" in command:
            assert strict_json(done.out)
        if command[0] == "apply":
            assert len(content(folder)) == len(before) // 2
    (made,) = (folder / "plans").iterdir()
    assert made.suffix == ".jsonl"
    assert run("repair", "undo", "last", "--confirm", NAME, cwd=folder).code == 0
    assert sorted(content(folder)) == sorted(before)


def test_a_script_with_a_name_that_cannot_be_shown_runs_nothing(run: Run, folder: Path) -> None:
    done = run("migrate", "plan", NAME, "--max-delete", "100%", "--sql", "-q", cwd=folder)
    code = [line for line in done.out.decode().splitlines() if line and not line.startswith("--")]
    assert code == [".bail on", "BEGIN IMMEDIATE;", "COMMIT;"]
    assert b"only `migrate apply` can run this" in done.out


def test_what_is_refused_and_what_is_not_there_is_told_without_harm(run: Run, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute(f"UPDATE {sql_name(TABLE)} SET data = data || 'x' || rowid")
        connection.commit()
    for words, codes in (
        (["plan", NAME, "--max-delete", "100%", "-f", "json"], {5}),
        (["plan", NAME, "--max-delete", "100%"], {5}),
        (["plan", BLINK], {2}),
        (["status", BLINK], {2}),
        (["rollback", NAME, "--confirm", NAME], {4}),
        (["rollback", BLINK, "--confirm", BLINK], {2}),
        (["apply", BLINK, "--confirm", NAME], {2}),
        (["plan", NAME, "--constraint", f"x{BLINK}"], {2}),
    ):
        done = run("migrate", *words, cwd=folder)
        assert done.code in codes, (words, said(done))
        assert not dangerous(done.out.decode("utf-8")), words
        assert said(done)
