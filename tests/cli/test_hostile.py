"""Hostile names and values in the database, in the configuration and on the command line reach no terminal raw."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.cli.launching import on_terminal, with_checkout
from tests.cli.reading import dangerous, report_of, said, strict_json
from tests.conftest import Run

# SGR 5, which the program itself never uses, shows that somebody else's sequence came through.
BLINK = "\x1b[5m"
VALUES = (
    f"{BLINK}blink",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\nb\rc\td",
    "nul\x00end",
    "\u202eevil\u2066",
    "zero\u200bwidth\ufeff",
    "line\u2028para\u2029",
    "[bold red]markup[/bold red]",
    ":boom:",
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    'it\'s "quoted"; DROP TABLE x; --',
    "  edges  ",
    "x" * 5000,
    "中文😀",
)
TABLE = f"ac\"t'iv\n{BLINK}[bold]\u202e=x"
KEY = f"i`d]\n{BLINK}[red]"
KIND = f'ty"pe{BLINK}'


def sql_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def toml_text(text: str) -> str:
    return json.dumps(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with a hostile name, database and configuration."""
    folder = tmp_path_factory.mktemp("hostile") / f"a {BLINK}[bold]\n=x"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        table, key, kind = map(sql_name, (TABLE, KEY, KIND))
        connection.execute(f"CREATE TABLE {table} (seq INTEGER PRIMARY KEY, {key}, {kind}, data, created_at)")
        for number, value in enumerate(VALUES):
            for data in ("same", value):
                connection.execute(
                    f"INSERT INTO {table} ({key}, {kind}, data, created_at) VALUES (?, ?, ?, ?)",
                    (value, value, data, f"2025-12-24T08:{number:02d}:00Z" if number % 2 else value),
                )
        for broken in ("x'ff1b5b356d'", "CAST(x'ff1b5b356d41' AS TEXT)", "CAST(x'c3281b' AS TEXT)", "2.5", "7"):
            connection.execute(f"INSERT INTO {table} ({key}, {kind}) VALUES ({broken}, {broken}), ({broken}, {broken})")
        connection.execute(
            "CREATE TABLE screenshots (id TEXT PRIMARY KEY NOT NULL, status TEXT, oss_key TEXT, oss_url TEXT)"
        )
        for value in VALUES:
            connection.execute("INSERT INTO screenshots VALUES (?, ?, 'k', 'u')", (value, value))
        connection.execute(f"CREATE UNIQUE INDEX {sql_name('i' + BLINK)} ON screenshots (id)")
        connection.commit()
    (folder / "dedupaudit.toml").write_text(
        '[database]\nurl = "sqlite:///app.db"\n[tables.screenshots]\n'
        f"[tables.{toml_text('t' + BLINK + '[bold]')}]\nname = [{toml_text(TABLE)}]\n"
        f"key = [{toml_text(KEY)}]\ngroup = {toml_text(KIND)}\n",
        encoding="utf-8",
    )
    yield folder


def test_a_pipe_gets_no_control_character(run: Run, folder: Path) -> None:
    done = run("scan", cwd=folder)
    assert done.code == 1, done.err
    text = done.out.decode("utf-8")
    assert not dangerous(text)
    assert r"\x1b[5m" in text
    assert r"db.t\x1b[5m[bold]" in text.replace("\n", "")
    assert not said(done)


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_the_programs_own_colours_alone(clean_env: dict[str, str], folder: Path, columns: int) -> None:
    env = {**with_checkout(clean_env), "TERM": "xterm-256color"}
    shown = on_terminal(["scan"], env, folder, columns=columns)
    assert shown.code == 1
    text = shown.out.decode("utf-8")
    assert not dangerous(text, colour=True)
    for raw in (BLINK, "\x1b]", "\x9b", "\u202e"):
        assert raw not in text
        assert raw not in shown.err.decode("utf-8")
    assert r"\x1b[5m" in text


def test_json_holds_the_values_whole_and_nothing_that_a_terminal_obeys(run: Run, folder: Path) -> None:
    done = run("scan", "-f", "json", cwd=folder)
    report = report_of(done)
    assert not dangerous(done.out.decode("utf-8"))
    keys = [finding["key"][KEY] for finding in report["findings"] if finding["check"] == "duplicate_ids"]
    assert {key for key in keys if isinstance(key, str)} >= set(VALUES)
    assert {"base64": "/xtbNW0="} in keys
    assert any("\ufffd" in str(key) for key in keys)
    assert [finding for finding in report["findings"] if finding["key_raw"]]
    assert f"db.t{BLINK}[bold]" in report["summary"]["tables"]


def test_a_saved_report_is_as_harmless_when_it_is_rendered(run: Run, folder: Path, tmp_path: Path) -> None:
    report = run("scan", "-f", "json", cwd=folder).out
    done = run("report", "-", stdin=report)
    assert not dangerous(done.out.decode("utf-8"))
    assert run("report", "-", "-f", "json", stdin=report).out == report


def test_findings_files_parse_strictly(run: Run, folder: Path, tmp_path: Path) -> None:
    for ending in ("jsonl", "csv", "parquet"):
        done = run("scan", "--findings", tmp_path / f"all.{ending}", "--exit-zero", "-q", cwd=folder)
        assert done.code == 0, done.err

    lines = (tmp_path / "all.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    documents = [strict_json(line) for line in lines]
    assert not dangerous((tmp_path / "all.jsonl").read_text("utf-8"))

    text = (tmp_path / "all.csv").read_bytes().decode("utf-8")
    assert not dangerous(text)
    header, *rows = csv.reader(io.StringIO(text), strict=True)
    assert {len(row) for row in rows} == {len(header)}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]

    with duckdb.connect() as engine:
        found = engine.execute(f"SELECT fingerprint, key FROM '{tmp_path / 'all.parquet'}'").fetchall()
    fingerprints = [document["fingerprint"] for document in documents]
    assert fingerprints == [row[0] for row in rows] == [row[0] for row in found]
    assert [document["key"] for document in documents] == [json.loads(key) for _, key in found]
    assert [document["key"] for document in documents] == [json.loads(row[header.index("key")]) for row in rows]


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", f"x{BLINK}\n"],
        ["scan", "--check", f"x{BLINK}\u202e"],
        ["scan", "-f", f"x{BLINK}"],
        ["scan", f"--x{BLINK}"],
        ["scan", "--fail-on", f"x{BLINK}\n"],
        ["scan", "--timeout", f"x{BLINK}"],
        ["scan", "--findings", f"x{BLINK}.txt"],
        ["scan", "-o", f"no{BLINK}/x"],
        ["scan", "--config", f"no{BLINK}.toml"],
        ["scan", "--db", f"sqlite:///no{BLINK}\n\u202e.db"],
        ["scan", "--db", f"no{BLINK}://x"],
        ["scan", "--db", f"n{BLINK}=sqlite:///x"],
        ["scan", "--db", os.fsdecode(b"sqlite:///\xff\x1b[5m.db")],
        ["scan", os.fsdecode(b"\xff\x1b[5m")],
        ["scan", "-o", os.fsdecode(b"no\xff\x1b[5m/x")],
        [f"x{BLINK}\n"],
        ["report", f"no{BLINK}\n.json"],
        ["report", os.fsdecode(b"\xff.json")],
        ["schema", f"x{BLINK}"],
        ["demo", f"/dev/null/{BLINK}"],
    ],
    ids=lambda arguments: ascii(arguments),
)
def test_what_was_typed_comes_back_escaped(run: Run, folder: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=folder)
    assert done.code in (2, 3), done.err
    assert not dangerous(done.out.decode("utf-8"))
    assert "defect" not in said(done)
    assert said(done)


@pytest.mark.parametrize(
    "text",
    [
        f"[tables.{toml_text('a' + BLINK)}]\nkey = ['id']",
        f"[tables.activities]\nkey = [{toml_text('i' + BLINK)}]",
        f"[tables.activities]\nname = [{toml_text('n' + BLINK)}]",
        f"[tables.activities]\nwhere = {toml_text('nowhere = ' + chr(39) + BLINK + chr(39))}",
        f"{toml_text(BLINK)} = 1",
        f"[options]\nfail_on = {toml_text(BLINK)}",
        f"[tables.activities]\ntimezone = {toml_text('../' + BLINK)}",
        '[tables.activities]\nkey = "raw \x1b[5m"',
        f"[databases.{toml_text('x' + BLINK)}]\nurl = 'sqlite:///x'",
    ],
)
def test_what_a_configuration_says_comes_back_escaped(run: Run, tmp_path: Path, duplicates: Path, text: str) -> None:
    if "[databases" not in text:
        text = f"{text}\n[database]\nurl = 'sqlite:///{duplicates}'\n"
    (tmp_path / "dedupaudit.toml").write_text(text, encoding="utf-8")
    done = run("scan", "-v")
    assert done.code == 2
    assert not dangerous(done.err.decode("utf-8"))
    assert b"Traceback" in done.err
    assert b"defect" not in done.err
