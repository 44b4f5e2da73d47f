"""The tool in processes that are killed, stopped or signalled at a statement of one's choice.

A process costs a fork and not an interpreter: `python -m tests.repair.killing` imports everything, opens nothing, and
forks one child for each order that it reads on stdin.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from tests.conftest import ROOT, Completed
from tests.warm import import_everything

_PATIENCE = 60.0


@dataclass(frozen=True)
class Point:
    """Where something befalls the tool: after its `nth` statement (from 1) that `text`, a regular expression, is in.

    COMMIT counts twice: as `before COMMIT`, and as COMMIT once the server has answered. Only what comes after the tool
    began to prepare its own tables is counted: the looking before that changes nothing.
    """

    nth: int
    text: str = ""
    signal: int = signal.SIGKILL


@dataclass(frozen=True)
class Order:
    """One run of the tool.

    `rows` is how many a chunk may have; `attempts` how often it tries to lock the rows of one group; `pragmas` are for
    SQLite's connections.
    """

    arguments: tuple[str, ...]
    point: Point | None = None
    rows: int = 5
    attempts: int | None = None
    pragmas: tuple[str, ...] = ()


class Child:
    """A tool that runs."""

    def __init__(self, runner: Runner, pid: int, files: Path) -> None:
        self._runner, self.pid, self._files = runner, pid, files
        self._code: int | None = None

    def completed(self) -> Completed:
        """Wait for its end; the code is negative for a signal that killed it."""
        if self._code is None:
            self._code = int(self._runner.ask({"wait": self.pid})["code"])
        return Completed(self._code, self._read("out"), self._read("err"))

    def end(self) -> None:
        """Kill it, unless it ended already."""
        if self._code is None:
            self.signal(signal.SIGKILL)
            self.completed()

    @property
    def point(self) -> str:
        """The statement at which it was killed, stopped or signalled; empty where that did not happen."""
        return self._read("point").decode(errors="replace")

    def wait_until_stopped(self) -> bool:
        """Wait until it stands still at its point; False where it ended before."""
        until = time.monotonic() + _PATIENCE
        while (state := _state(self.pid)) != "T":
            if state in ("Z", ""):
                return False
            assert time.monotonic() < until, "it neither stopped nor ended"
            time.sleep(0.002)
        return True

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def _read(self, name: str) -> bytes:
        path = self._files.with_suffix(f".{name}")
        return path.read_bytes() if path.exists() else b""


class Runner:
    """The process that forks: to be used as a context manager, by one thread."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.repair.killing"],
            cwd=folder,
            env={**env, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            _stream(self._process.stdin).close()
        _stream(self._process.stdout).close()
        self._process.wait(_PATIENCE)

    def start(self, order: Order) -> Child:
        self._count += 1
        files = self._folder / f"run{self._count}"
        return Child(self, self.ask({"order": asdict(order), "files": str(files)})["pid"], files)

    def run(self, *arguments: str, point: Point | None = None, rows: int = 5) -> Completed:
        return self.start(Order(arguments, point, rows)).completed()

    def ask(self, question: Mapping[str, object]) -> Any:
        into, out = _stream(self._process.stdin), _stream(self._process.stdout)
        into.write(json.dumps(question).encode() + b"\n")
        into.flush()
        answer = out.readline()
        assert answer, f"the runner ended: {self._process.poll()}"
        return json.loads(answer)


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


# ---- within the forked process


class _Watch:
    """Counts the statements of the main thread, and does what was ordered at the point."""

    def __init__(self, point: Point, told: Path) -> None:
        self._point, self._told, self._seen = point, told, 0
        self._pattern = re.compile(point.text)
        self.armed = False

    def before(self, statement: str | bytes) -> str:
        text = statement.decode(errors="replace") if isinstance(statement, bytes) else statement
        if text == "COMMIT":
            self.after("before COMMIT")
        return text

    def after(self, text: str) -> None:
        if not self.armed or threading.current_thread() is not threading.main_thread():
            return
        if self._pattern.search(text):
            self._seen += 1
            if self._seen == self._point.nth:
                self._told.write_text(text[:300])
                os.kill(os.getpid(), self._point.signal)


def _watch_statements(watch: _Watch, pragmas: Sequence[str]) -> None:
    """Let every driver's statements go by the watch, whatever the tool calls them through."""
    import psycopg2
    import psycopg2.extensions
    import pymysql.cursors

    from dedupaudit.repair.databases.mysql import MysqlRepair
    from dedupaudit.repair.databases.postgresql import PostgresqlRepair
    from dedupaudit.repair.databases.sqlite import SqliteRepair

    class Lite(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            text = watch.before(sql)
            try:
                return super().execute(sql, *parameters)
            finally:
                watch.after(text)

    class Postgres(psycopg2.extensions.cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            text = watch.before(query)
            try:
                super().execute(query, parameters)
            finally:
                watch.after(text)

    connect_sqlite, connect_postgres, execute_mysql = sqlite3.connect, psycopg2.connect, pymysql.cursors.Cursor.execute

    def lite(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect_sqlite(*arguments, **{"factory": Lite, **named})
        for pragma in pragmas:
            connection.execute(pragma)
        return connection

    def postgres(*arguments: Any, **named: Any) -> Any:
        return connect_postgres(*arguments, **{"cursor_factory": Postgres, **named})

    def mysql(self: Any, query: Any, args: Any = None) -> int:
        text = watch.before(query)
        try:
            return execute_mysql(self, query, args)
        finally:
            watch.after(text)

    def armed(prepare: Any) -> Any:
        def arm(self: Any, tables: Any) -> None:
            watch.armed = True
            prepare(self, tables)

        return arm

    sqlite3.connect = lite  # type: ignore[assignment]
    psycopg2.connect = postgres
    pymysql.cursors.Cursor.execute = mysql  # type: ignore[method-assign]
    for database in (SqliteRepair, PostgresqlRepair, MysqlRepair):
        setattr(database, "prepare", armed(database.prepare))  # noqa: B010 (a type of its own to mypy)


def _chunks_of(rows: int) -> None:
    from dedupaudit.repair.pace import Pace

    begin = Pace.__init__

    def begun(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self.rows = rows

    setattr(Pace, "__init__", begun)  # noqa: B010 (a type of its own to mypy)
    Pace.took = lambda self, rows, seconds: None  # type: ignore[method-assign]


def _be_the_tool(order: Mapping[str, Any], files: Path) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(files.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (lives as long as the process)
    point = Point(**order["point"]) if order["point"] else Point(0)
    _watch_statements(_Watch(point, files.with_suffix(".point")), order["pragmas"])
    _chunks_of(order["rows"])
    if order["attempts"]:
        from dedupaudit.repair import apply

        assert hasattr(apply, "_ATTEMPTS")
        apply._ATTEMPTS = order["attempts"]
    from dedupaudit.main import main

    code: object = 70
    try:
        main(list(order["arguments"]))
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def serve() -> None:
    """Read orders, one JSON document a line, and answer each; ends with stdin."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import_everything()
    for line in sys.stdin:
        question = json.loads(line)
        if "order" in question:
            pid = os.fork()
            if not pid:
                _be_the_tool(question["order"], Path(question["files"]))
            answer = {"pid": pid}
        else:
            _pid, status = os.waitpid(question["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
