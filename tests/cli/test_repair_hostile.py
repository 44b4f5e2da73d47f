"""Hostile names and values in the database, in plans and on the command line reach no terminal raw."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.launching import on_terminal, with_checkout
from tests.cli.reading import dangerous, said, strict_json
from tests.cli.test_hostile import BLINK, KEY, TABLE, VALUES, sql_name, toml_text
from tests.conftest import Run

NAME = f"t{BLINK}[bold]"
BROKEN = ("x'ff1b5b356d'", "CAST(x'ff1b5b356d41' AS TEXT)", "CAST(x'c3281b' AS TEXT)", "2.5", "7", "9e999", "''")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a hostile name: two equal rows of each hostile key, and a child that refers to some."""
    folder = tmp_path / f"a {BLINK}[bold]\n=x"
    folder.mkdir()
    table, key, seq = map(sql_name, (TABLE, KEY, f's`e"q{BLINK}'))
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute(f"CREATE TABLE {table} ({seq} TEXT PRIMARY KEY, {key}, data)")
        for number, value in enumerate(VALUES):
            for half in ("a", "b"):
                connection.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (f"{value}{half}{number}", value, value))
        for number, broken in enumerate(BROKEN):
            for half in ("a", "b"):
                connection.execute(f"INSERT INTO {table} VALUES ('{half}{number}', {broken}, {broken})")
        connection.execute(
            f"CREATE TABLE {sql_name('child' + BLINK)} (n INTEGER PRIMARY KEY, p TEXT REFERENCES {table}({seq}))"
        )
        connection.execute(f"INSERT INTO {sql_name('child' + BLINK)} (p) SELECT {seq} FROM {table}")
        connection.commit()
    (folder / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n'
        f"[tables.{toml_text(NAME)}]\nname = [{toml_text(TABLE)}]\nkey = [{toml_text(KEY)}]\n",
        encoding="utf-8",
    )
    yield folder


def content(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.text_factory = bytes
        tables = (TABLE, "child" + BLINK)
        return [repr(row) for name in tables for row in connection.execute(f"SELECT * FROM {sql_name(name)}")]


def test_all_of_it_is_planned_applied_shown_and_taken_back(run: Run, folder: Path) -> None:
    before = content(folder)
    commands = [
        ["plan", NAME, "--max-delete", "100%", "-o", f"p{BLINK}\n.jsonl"],
        ["plan", NAME, "--max-delete", "100%", "-o", "plan.jsonl", "-f", "json"],
        ["plan", NAME, "--max-delete", "100%", "-o", "-"],
        ["plan", NAME, "--max-delete", "100%", "--sql"],
        ["apply", "plan.jsonl", "--confirm", NAME],
        ["runs"],
        ["runs", "-f", "json"],
        ["show", "last"],
        ["show", "last", "-f", "json"],
        ["undo", "last", "--confirm", NAME],
    ]
    for command in commands:
        done = run("repair", *command, cwd=folder)
        assert done.code == 0, (command, said(done))
        assert not dangerous(done.out.decode("utf-8")), command
        assert not dangerous(done.err.decode("utf-8")), command
        if "json" in command:
            assert strict_json(done.out)
        if command[0] == "apply":
            # One stays of each value but the blank ones, which are left.
            blank = sum(not value.strip() for value in VALUES) + 1
            assert len(content(folder)) < len(before)
            assert f"{len(VALUES) + len(BROKEN) - blank} IDs moved into quarantine" in done.out.decode()
            assert "child rows re-pointed" in " ".join(done.out.decode().split())
    assert sorted(content(folder)) == sorted(before)


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_nothing_of_others(clean_env: dict[str, str], folder: Path, columns: int) -> None:
    env = {**with_checkout(clean_env), "TERM": "xterm-256color"}
    for command in (["plan", NAME, "--max-delete", "100%"], ["plan", NAME, "--max-delete", "100%", "--sql"], ["runs"]):
        shown = on_terminal(["repair", *command, "--no-progress"], env, folder, columns=columns)
        assert shown.code == 0, shown
        for text in (shown.out, shown.err):
            assert not dangerous(text.decode("utf-8"))


def test_skipped_and_refused_are_told_as_harmlessly(run: Run, folder: Path) -> None:
    assert run("repair", "plan", NAME, "--max-delete", "100%", "-o", "plan.jsonl", cwd=folder).code == 0
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute(f"UPDATE {sql_name(TABLE)} SET data = data || 'x'")
        connection.commit()
    done = run("repair", "apply", "plan.jsonl", "--confirm", NAME, cwd=folder)
    assert done.code == 3
    assert not dangerous(done.out.decode("utf-8"))
    assert "changed since the plan" in done.out.decode()
    done = run("repair", "show", "last", "-f", "json", cwd=folder)
    assert not dangerous(done.out.decode("utf-8"))
    keys = {one["key"][KEY] for one in strict_json(done.out)["skipped"] if isinstance(one["key"][KEY], str)}
    assert keys & set(VALUES)
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        trigger = sql_name(f"tr{BLINK}\n")
        connection.execute(f"CREATE TRIGGER {trigger} AFTER DELETE ON {sql_name(TABLE)} BEGIN SELECT 1; END")
        connection.commit()
    assert run("repair", "plan", NAME, "--max-delete", "100%", "-o", "again.jsonl", cwd=folder).code == 0
    done = run("repair", "apply", "again.jsonl", "--confirm", NAME, cwd=folder)
    assert done.code == 5
    assert r"tr\x1b[5m\n" in said(done)


def test_values_of_ten_megabytes_are_cut_for_people_and_whole_in_the_plan(run: Run, tmp_path: Path) -> None:
    value = "x" * 10_000_000
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("CREATE TABLE activities (seq INTEGER PRIMARY KEY, id TEXT)")
        connection.executemany("INSERT INTO activities (id) VALUES (?)", [(value,), (value,)])
        connection.commit()
    how = ("--db", "sqlite:///app.db")
    done = run("repair", "plan", "activities", "--max-delete", "1", "--sql", "-o", "plan.jsonl", *how)
    assert done.code == 0, said(done)
    assert max(map(len, done.out.splitlines())) < 500
    assert value.encode() in (tmp_path / "plan.jsonl").read_bytes()
    done = run("repair", "apply", "plan.jsonl", "--confirm", "activities", *how)
    assert done.code == 0, said(done)
    assert len(done.out + done.err) < 5_000
    assert run("repair", "undo", "last", "--confirm", "activities", "-q", *how).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", f"x{BLINK}\n"],
        ["plan", os.fsdecode(b"\xff\x1b[5m")],
        ["plan", "t", "--on-conflict", f"x{BLINK}\u202e:max"],
        ["plan", "t", "--max-delete", f"x{BLINK}"],
        ["plan", "t", "--report", f"no{BLINK}.json"],
        ["plan", "t", "-o", f"no{BLINK}/plan"],
        ["plan", "t", "-o", os.fsdecode(b"no\xff\x1b[5m/x")],
        ["apply", f"no{BLINK}\n.jsonl"],
        ["apply", os.fsdecode(b"\xff.jsonl")],
        ["apply", "plan.jsonl", "--max-age", f"x{BLINK}"],
        ["apply", "plan.jsonl", "--replica", f"no{BLINK}://x"],
        ["undo", f"x{BLINK}\n"],
        ["undo", os.fsdecode(b"\xff\x1b[5m")],
        ["show", f"x{BLINK}\n\u202e"],
        ["purge", f"x{BLINK}\n"],
        ["purge", os.fsdecode(b"\xff")],
        ["purge", "t", "--older-than", f"x{BLINK}"],
        [f"x{BLINK}\n"],
    ],
    ids=lambda arguments: ascii(arguments),
)
def test_what_was_typed_comes_back_escaped(run: Run, folder: Path, arguments: list[str]) -> None:
    done = run("repair", *arguments, cwd=folder)
    assert done.code in (2, 4), done.err
    assert done.out == b""
    assert said(done)
    assert "defect" not in said(done)
