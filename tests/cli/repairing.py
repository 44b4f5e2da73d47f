"""What tests of `repair` share: small tables with duplicates, plans of them, and a terminal on which somebody types."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import sqlite3
import subprocess
import termios
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dedupaudit.config import Settings, load_settings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.repair.apply import Applied
from dedupaudit.repair.journal import Run as RepairRun
from dedupaudit.repair.plan import Limit
from dedupaudit.repair.planfile import write_plan
from dedupaudit.repair.planning import PlanRequest
from dedupaudit.repair.planning import planned as plan_of
from dedupaudit.repair.run import ApplyRequest, apply_plan
from tests.cli.launching import PROGRAM, completed, default_signals
from tests.cli.reading import strict_json
from tests.conftest import Completed, Run

# Two keys of three and two identical rows, one key of two rows that differ, and enough good rows for the usual limit.
TABLE = """
CREATE TABLE activities (seq INTEGER PRIMARY KEY, id TEXT, device_id TEXT, type TEXT, created_at TEXT);
INSERT INTO activities (id, device_id, type, created_at) VALUES
  ('activity_1', 'd1', 'click', '2025-12-24T08:01:14Z'),
  ('activity_1', 'd1', 'click', '2025-12-24T08:02:14Z'),
  ('activity_1', 'd1', 'click', '2025-12-24T08:03:14Z'),
  ('activity_2', 'd1', 'key', '2025-12-24T08:04:14Z'),
  ('activity_2', 'd1', 'key', '2025-12-24T08:05:14Z'),
  ('activity_3', 'd1', 'key', '2025-12-24T08:06:14Z'),
  ('activity_3', 'd2', 'click', '2025-12-24T08:07:14Z');
WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 140)
INSERT INTO activities (id, device_id, type, created_at)
  SELECT 'activity_' || i, 'd1', 'key', '2025-12-24T09:00:00Z' FROM n;
"""
REMOVED = 3
PROMPT = b"to go on: "


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def repair(run: Run, db: Path, command: str, *more: str | os.PathLike[str], **how: Any) -> Completed:
    return run("repair", command, *more, "--db", url(db), **how)


def settings(db: Path) -> Settings:
    return load_settings(None, cwd=db.parent, environ={}, db=(url(db),))


def planned(db: Path, policy: str | None = None, *, table: str = "activities", name: str = "plan.jsonl") -> Path:
    """Return the file of a plan of a table, made in this process."""
    request = PlanRequest(table, Limit(percent=100.0), policy)
    path = db.parent / name
    with plan_of(settings(db), request, interrupt=Interrupt(), progress=SILENT) as (plan, _), path.open("wb") as out:
        write_plan(out, plan.header, plan.groups)
    return path


def apply_here(db: Path, plan: Path, max_age: float = 3600.0) -> Applied:
    """Apply a plan in this process."""
    return apply_plan(
        settings(db),
        ApplyRequest(plan, max_age),
        interrupt=Interrupt(),
        progress=SILENT,
        announce=lambda _text: None,
        confirm=lambda _offer: None,
    )


def applied(db: Path, plan: Path) -> RepairRun:
    """Apply a plan in this process to its end, and return its run."""
    done = apply_here(db, plan)
    assert done.exit_code == 0
    return done.run


def rows(db: Path, query: str = "SELECT * FROM activities ORDER BY seq") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        connection.text_factory = bytes
        return connection.execute(query).fetchall()


def changed(db: Path, *statements: str) -> None:
    with closing(sqlite3.connect(db)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def whole(db: Path) -> list[str]:
    """Return all that a database holds, its schema too."""
    with closing(sqlite3.connect(db)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return list(connection.iterdump())


def lines_of(plan: Path) -> list[dict[str, Any]]:
    return [strict_json(line) for line in plan.read_bytes().splitlines()]


def rewritten(plan: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    """Write a plan of other lines, its count and hash made anew: what somebody would do who means harm."""
    import hashlib

    *body, end = lines
    raw = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in body)
    new = {**end, "count": len(body) - 1, "sha256": hashlib.sha256(raw).hexdigest()}
    plan.write_bytes(raw + json.dumps(new, separators=(",", ":")).encode() + b"\n")
    return plan


def typed(
    arguments: Sequence[str | os.PathLike[str]], env: Mapping[str, str], cwd: Path, keys: bytes
) -> tuple[Completed, bytes]:
    """Run the program on a terminal of its own, and press keys when it asks; stdout is a pipe.

    Returns what was on stdout and on the terminal, where what is typed is seen as well.
    """
    master, slave = pty.openpty()

    def take_terminal() -> None:
        default_signals()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    command = [*PROGRAM, *[os.fspath(argument) for argument in arguments]]
    with subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
        preexec_fn=take_terminal,
    ) as process:
        os.close(slave)
        try:
            screen = _until(master, PROMPT)
            if PROMPT in screen:
                os.write(master, keys)
            screen += _until(master, None)
            done = completed(process)
        finally:
            process.kill()
            os.close(master)
    return done, screen.replace(b"\r\n", b"\n")


def _until(master: int, wanted: bytes | None) -> bytes:
    seen = b""
    while wanted is None or wanted not in seen:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux's way to say that the other end was closed
            break
        if not piece:
            break
        seen += piece
    return seen
