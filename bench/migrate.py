"""Measures `migrate` under eight writers: its time beside a plain index's, throughput, stalls, and the guard's cost.

Run it as `.venv/bin/python -m bench.migrate [postgresql] [mariadb] [time] [guard] [others] [--rows N] [--groups N]
[--quick]`; it starts private, durable servers and fills them anew. `others` are what people type instead: a unique
index by hand, and pt-online-schema-change.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from bench import scan_mysql
from bench.measure import PROGRAM
from bench.migrate_writers import WRITERS, Writing, saturated
from bench.repair import fill_postgresql, mariadb, postgresql

SHARE = 0.3
"""Of the transactions that the server can take when nothing else is asked of it."""
Fill = Callable[[Any, str, int, int], str]


@dataclass(frozen=True)
class Server:
    """A kind of server: how it starts and is filled, and how a plain index is built and dropped while others write."""

    name: str
    start: Callable[[], AbstractContextManager[Any]]
    fill: Fill
    index: str
    drop: str
    rows: int


SERVERS = {
    "postgresql": Server(
        "PostgreSQL",
        postgresql,
        fill_postgresql,
        "CREATE INDEX CONCURRENTLY plain ON activities (id)",
        "DROP INDEX plain",
        5_000_000,
    ),
    "mariadb": Server(
        "MariaDB",
        mariadb,
        scan_mysql.fill,
        "ALTER TABLE activities ADD INDEX plain (id), ALGORITHM=INPLACE, LOCK=NONE",
        "ALTER TABLE activities DROP INDEX plain",
        2_000_000,
    ),
}


@dataclass(frozen=True)
class Size:
    """How much is measured: rows, duplicated IDs, and the seconds of each look at the writers alone."""

    rows: int
    groups: int
    seconds: float


@dataclass(frozen=True)
class Beside:
    """Something that ran beside writers: its seconds, their rate before and during, and their longest waits."""

    seconds: float
    before: float
    during: float
    longest_before: float
    longest: float
    step: str
    """During which step of a migration the longest wait ended."""

    def show(self, name: str) -> None:
        """Print it."""
        where = f" ({self.step})" if self.step else ""
        print(
            f"  {name:44}{self.seconds:8.1f} s; writers {self.during:,.0f}/s, {self.during / self.before:.3f} of before"
            f"; longest {self.longest * 1000:6,.0f} ms{where}, before {self.longest_before * 1000:,.0f} ms",
            flush=True,
        )


def plan(url: str, path: Path) -> None:
    """Write a plan."""
    words = ["--max-delete", "50%", "-q", "--strategy", "guarded"]
    command = [PROGRAM, "migrate", "plan", "activities", "--db", url, "-o", str(path), *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"ended with {ran.returncode}: {' '.join(command)}\n{ran.stderr}")


def apply(url: str, path: Path, steps: list[tuple[float, str]]) -> dict[str, Any]:
    """Apply a plan; note when each step began, and return what it reports."""
    command = [PROGRAM, "migrate", "apply", str(path), "--db", url, "--confirm", "activities", "-f", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def listen() -> None:
        steps.extend((time.monotonic(), line.strip()) for line in process.stderr or ())

    thread = Thread(target=listen)
    thread.start()
    out = process.stdout.read() if process.stdout else ""
    code = process.wait()
    thread.join()
    steps.append((time.monotonic(), "the end"))
    if code != 0:
        sys.exit(f"migrate apply ended with {code}\n" + "\n".join(line for _moment, line in steps))
    found: dict[str, Any] = json.loads(out)
    return found


def beside(writing: Writing, seconds: float, act: Callable[[], object], steps: list[tuple[float, str]]) -> Beside:
    """Do something beside writers, after they were alone for a while."""
    with writing:
        time.sleep(1)
        alone = time.monotonic()
        time.sleep(seconds)
        began = time.monotonic()
        act()
        ended = time.monotonic()
    longest = writing.longest(began, ended + 0.2)
    step = ""
    for name, moment, until in _spans(steps):
        if writing.longest(moment, until) == longest:
            step = name
    return Beside(
        ended - began,
        writing.rate(alone, began),
        writing.rate(began, ended),
        writing.longest(alone, began - 0.1),
        longest,
        step,
    )


def compare(kind: Server, server: Any, size: Size) -> None:
    """Print the time of a migration beside that of a plain index, under the same writers: paced, then saturated."""
    kind.fill(server, "app", size.rows, size.groups)
    most = saturated(server, 5, stored=size.rows - size.groups)
    print(
        f"\n{kind.name}: {size.rows:,} rows, {size.groups:,} duplicated IDs; {WRITERS} writers can do {most:,.0f}"
        " inserts/s, of which one in twenty is a duplicate"
    )
    _compare(kind, server, size, f"paced at {SHARE:.0%}", most * SHARE)
    _compare(kind, server, size, "saturated", None)


def _compare(kind: Server, server: Any, size: Size, name: str, rate: float | None) -> None:
    url = kind.fill(server, "app", size.rows, size.groups)
    known = size.rows - size.groups
    steps: list[tuple[float, str]] = []
    reports: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.jsonl"
        plan(url, path)
        plain = beside(Writing(server, rate, stored=known), size.seconds, lambda: _execute(server, [kind.index]), [])
        plain.show(f"{name}: a plain index")
        server.execute(kind.drop, database="app")
        writing = Writing(server, rate, stored=known)
        whole = beside(writing, size.seconds, lambda: reports.append(apply(url, path, steps)), steps)
    evidence = reports[0]["evidence"]
    cleaning = evidence["cleaning_seconds"]
    whole.show(f"{name}: migrate apply")
    ratio = (whole.seconds - cleaning) / plain.seconds
    print(
        f"    of it cleaning {cleaning:.1f} s ({evidence['rows_quarantined']:,} rows); the rest is {ratio:.1f} times"
        f" the plain index (limit 8, stretch 5), all of it {whole.seconds / plain.seconds:.1f}\n"
        f"    refused to writers: {dict(writing.refused)}; index {evidence['index_state']},"
        f" {evidence['duplicates']} duplicates, {evidence['probe']}"
    )
    _where_time_goes(steps)


def _where_time_goes(steps: Sequence[tuple[float, str]]) -> None:
    told = ", ".join(f"{name} {until - moment:.1f}" for name, moment, until in _spans(steps))
    print(f"    seconds of each step: {told}", flush=True)


def _spans(steps: Sequence[tuple[float, str]]) -> list[tuple[str, float, float]]:
    """Return the name of each step that was announced, with the moments when it began and ended."""
    found = [(match[1], moment) for moment, line in steps if (match := re.search(r"\b\d+/\d+ (\w+): ", line))]
    ends = [*(moment for _name, moment in found[1:]), *(moment for moment, _line in steps[-1:])][: len(found)]
    return [(name, moment, until) for (name, moment), until in zip(found, ends, strict=True)]


def guard_cost(kind: Server, server: Any, size: Size) -> None:
    """Print insert rates with the guard and without, in alternating rounds on one table."""
    rows = min(size.rows, 500_000)
    url = kind.fill(server, "app", rows, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.jsonl"
        plan(url, path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    sql = {line["name"]: line["sql"] for line in lines if line["type"] == "step"}
    print(f"\n{kind.name}: the guard's cost, {rows:,} rows, best of 3 alternating rounds, inserts/s without and with")
    ways = {
        "one row a statement": {},
        "1,000 rows a statement": {"rows": 1000},
        "…, one writer": {"rows": 1000, "writers": 1},
    }
    found: dict[tuple[str, bool], float] = {}
    for _round in range(3):
        for guarded in (False, True):
            _execute(server, [*sql["lookup"], *sql["guard"]] if guarded else [])
            for name, how in ways.items():
                rate = saturated(server, size.seconds / 3, **how) * how.get("rows", 1)
                found[name, guarded] = max(found.get((name, guarded), 0.0), rate)
            _execute(server, sql["unguard"] if guarded else [])
    for name in ways:
        without, with_guard = found[name, False], found[name, True]
        print(f"  {name:28}{without:10,.0f}{with_guard:10,.0f}   {with_guard / without:.2f} (at least 0.6)", flush=True)


def _execute(server: Any, statements: Sequence[str]) -> None:
    connection = server.connect("app")
    cursor = connection.cursor()
    for statement in statements:
        # The schema may be there since the round before.
        cursor.execute(statement.replace("CREATE SCHEMA dedupaudit", "CREATE SCHEMA IF NOT EXISTS dedupaudit"))
    connection.close()


def by_hand(server: Any, size: Size) -> None:
    """Print what CREATE UNIQUE INDEX CONCURRENTLY typed by hand comes to."""
    fill_postgresql(server, "app", size.rows, size.groups)
    said: list[str] = []

    def build() -> None:
        try:
            _execute(server, ["CREATE UNIQUE INDEX CONCURRENTLY by_hand ON activities (id)"])
        except Exception as error:  # noqa: BLE001 (it is what is measured)
            said.append(str(error).splitlines()[0])

    rate = saturated(server, 3, stored=size.rows - size.groups) * SHARE
    taken = beside(Writing(server, rate, stored=size.rows - size.groups), 2, build, []).seconds
    left = server.execute(
        "SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'by_hand'::regclass", database="app"
    )
    print(
        f"  CREATE UNIQUE INDEX CONCURRENTLY by hand: {taken:.1f} s; it said {said or 'nothing'}; it left an index with"
        f" (indisvalid, indisready) = {left}",
        flush=True,
    )


_OSC_SECONDS = 300
"""It may copy beside writers and not get done."""


def by_osc(server: Any, size: Size) -> None:
    """Print what pt-online-schema-change makes of the rows when a unique key is added with it."""
    scan_mysql.fill(server, "app", size.rows, size.groups)
    known = size.rows - size.groups
    words = ["--alter", "ADD UNIQUE KEY by_osc (id)", "--execute", "--no-check-unique-key-change"]
    words += ["--no-version-check", "--recursion-method", "none", "--no-check-replication-filters", "--statistics"]
    command = ["pt-online-schema-change", *words, f"S={server.socket},u=root,D=app,t=activities"]
    said: list[str] = []

    def change() -> None:
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_OSC_SECONDS)
        except subprocess.TimeoutExpired:
            said.append(f"nothing: it was not done after {_OSC_SECONDS} s, and was ended")
            return
        said.append(f"exit {ran.returncode}: {(ran.stdout + ran.stderr).strip().splitlines()[-1]}")

    rate = saturated(server, 3) * SHARE
    before = server.execute("SELECT count(*) FROM activities", database="app")[0][0]
    writing = Writing(server, rate, stored=known)
    beside(writing, 2, change, []).show("pt-online-schema-change")
    after = server.execute("SELECT count(*) FROM activities", database="app")[0][0]
    print(f"    it said: {said[0]}; rows before {before:,}, accepted of writers meanwhile {writing.stored:,}, there now"
          f" {after:,}: {before + writing.stored - after:,} rows are lost, nowhere kept", flush=True)  # fmt: skip


def main() -> None:
    """Measure what the arguments name; without any, all."""
    words = sys.argv[1:]
    asked = {word for word in words if not word.startswith("-") and not word.isdigit()}
    quick = "--quick" in words

    def number(name: str, otherwise: int) -> int:
        return int(words[words.index(name) + 1]) if name in words else otherwise

    parts = asked & {"time", "guard", "others"} or {"time", "guard", "others"}
    for name, kind in SERVERS.items():
        if asked & set(SERVERS) and name not in asked:
            continue
        rows = number("--rows", 200_000 if quick else kind.rows)
        size = Size(rows, number("--groups", rows // 200 if quick else 5_000), 4 if quick else 15)
        with kind.start() as server:
            if "time" in parts:
                compare(kind, server, size)
            if "guard" in parts:
                guard_cost(kind, server, size)
            if "others" in parts:
                by_hand(server, size) if name == "postgresql" else by_osc(server, size)


if __name__ == "__main__":
    main()
