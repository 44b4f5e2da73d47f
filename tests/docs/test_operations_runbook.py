"""The run-book of `docs/operations.md`, typed as it stands on the demo's incident: SQLite and PostgreSQL."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.reading import said
from tests.conftest import Completed, Run
from tests.docs.operations_page import PAGE, blocks
from tests.servers.postgresql import PostgresqlServer

HEADING = "Duplicates found at 3 a.m."
COLUMNS = "seq, id, device_id, timestamp, data, created_at"

Sql = Callable[[str], list[Any]]


def typed(run: Run, folder: Path, sql: Sql) -> dict[str, Completed]:
    """Type every line of the run-book, see that it ends as the page says, and return what each showed."""
    seen = {}
    for block in blocks(HEADING):
        if block.language == "sql":
            sql(block.text)
        for line in block.text.splitlines() if block.language == "sh" else ():
            command, _, comment = line.partition("#")
            program, *words = shlex.split(command)
            assert program == "dedupaudit"
            done = run(*words, cwd=folder)
            told = re.match(r" exit (\d+)", comment)
            assert done.code == (int(told[1]) if told else 0), (line, said(done))
            seen[command.strip()] = done
            if "migrate status" in command:
                assert (
                    len(sql("SELECT id FROM processes WHERE id LIKE 'process_%' GROUP BY id HAVING COUNT(*) > 1")) == 0
                )
    return seen


def checked(seen: dict[str, Completed], folder: Path) -> None:
    """See that the page's words about the lines are true."""
    assert b"Cause: timeout_retry" in seen["dedupaudit explain process_1766391298432"].out.replace(b"\n         ", b" ")
    assert b"Nothing was lost: " in seen["dedupaudit repair show last"].out
    assert b"clean: " in seen["dedupaudit scan processes --check duplicate_ids --check missing_unique"].out
    assert b"is unique" in seen["dedupaudit migrate status processes"].out
    answer = " ".join(seen["dedupaudit drill --against processes"].out.decode().split())
    (quoted,) = re.findall(r"`(Would a retry [^`]+)`", PAGE)
    assert answer.startswith(quoted)
    assert (folder / "incident.html").read_text(encoding="utf-8").startswith("<!")
    assert (folder / "incident.md").stat().st_size
    for quoted, command in (("surplus rows by day", "scan processes"), ("Cause", "explain process_1766391298432")):
        assert f"`{quoted}`" in PAGE
        assert quoted in seen[f"dedupaudit {command}"].out.decode()


def test_it_is_typed_in_its_order_on_sqlite(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "incident"
    assert run("demo", folder, "-q", "-o", tmp_path / "report").code == 0

    def sql(text: str) -> list[Any]:
        with closing(sqlite3.connect(folder / "app.db")) as connection, connection:
            return connection.execute(text).fetchall()

    everything = f"SELECT {COLUMNS} FROM processes ORDER BY seq"
    before = sql(everything)
    checked(typed(run, folder, sql), folder)
    settled = [row if row[0] != 46 else (row[0], f"{row[1]}-2", *row[2:]) for row in before]
    assert sql(everything) == settled, "all that the run-book did was taken back"


@pytest.fixture
def on_postgresql(run: Run, postgresql: PostgresqlServer, tmp_path: Path) -> Path:
    """Return the folder of the incident, whose rows lie in PostgreSQL."""
    folder = tmp_path / "incident"
    assert run("demo", folder, "-q", "-o", tmp_path / "report").code == 0
    url = postgresql.create_database("incident")
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE '%seq%'")
        for name, _create in tables.fetchall():
            types = {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({name})")}
            named = [f"{column} {_TYPES.get(column, _TYPES.get(kind, 'text'))}" for column, kind in types.items()]
            postgresql.execute(f"CREATE TABLE {name} ({', '.join(named)})", database="incident")
            for row in connection.execute(f"SELECT * FROM {name}").fetchall():
                values = ", ".join(["%s"] * len(row))
                postgresql.execute(f"INSERT INTO {name} VALUES ({values})", row, database="incident")
    file = folder / "dedupaudit.toml"
    text, number = re.subn(r'^url = "sqlite:.*"', f'url = "{url}"', file.read_text(), flags=re.MULTILINE)
    assert number == 1
    file.write_text(text)
    (folder / "app.db").unlink()
    return folder


_TYPES = {"seq": "int PRIMARY KEY", "created_at": "timestamp", "updated_at": "timestamp", "INTEGER": "bigint"}


@pytest.mark.slow
def test_it_is_typed_in_its_order_on_postgresql(run: Run, postgresql: PostgresqlServer, on_postgresql: Path) -> None:
    def sql(text: str) -> list[Any]:
        return postgresql.execute(text, database="incident")

    everything = f"SELECT {COLUMNS} FROM processes ORDER BY seq"
    before = sql(everything)
    checked(typed(run, on_postgresql, sql), on_postgresql)
    settled = [row if row[0] != 46 else (row[0], f"{row[1]}-2", *row[2:]) for row in before]
    assert sql(everything) == settled
