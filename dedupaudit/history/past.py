"""The runs that the history has: listed with what each of them opened and closed, read again, pruned."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from dedupaudit.errors import UsageError
from dedupaudit.history.baseline import run_named
from dedupaudit.model import Report
from dedupaudit.reports.saved import load

_ANOTHER = "`dedupaudit history` lists the other runs"
_LOOKED_THROUGH = 200  # runs, for the last complete one
_LARGEST = 1 << 28  # bytes of a kept report: more was not written here
_RUNS = """
    SELECT number, id, command, started_at, finished_at, complete, version, exit_code, findings, high, medium, low
    FROM history.runs
    WHERE :target IS NULL OR number IN (
        SELECT run FROM history.counts c JOIN history.places p ON p.number = c.place
        WHERE p.target = :target OR p.source || '.' || p.target = :target
    )
    ORDER BY number DESC LIMIT :most
"""
_COUNTS = """
    SELECT sum(c.found), sum(c.opened), sum(c.closed), count(c.found) = count(*)
    FROM history.counts c JOIN history.places p ON p.number = c.place
    WHERE c.run = :run AND (:target IS NULL OR p.target = :target OR p.source || '.' || p.target = :target)
"""


@dataclass(frozen=True)
class PastRun:
    """A run of the history. Confirmed findings and news are None where not all findings were seen."""

    id: str
    command: str
    started_at: str
    finished_at: str
    complete: bool
    version: str
    exit_code: int
    findings: int
    by_severity: dict[str, int]
    sources: tuple[str, ...]
    places: tuple[str, ...]
    """Which databases, stores and logs they were: two databases may have one name."""
    confirmed: int | None
    new: int | None
    gone: int | None

    @property
    def still(self) -> int | None:
        """Return how many confirmed findings were known before."""
        return None if self.confirmed is None or self.new is None else max(self.confirmed - self.new, 0)


def runs(connection: sqlite3.Connection, target: str | None, most: int) -> list[PastRun]:
    """Return the newest runs, the oldest of them first; with `target` (`table` or `source.table`) its figures alone."""
    rows = connection.execute(_RUNS, {"target": target, "most": most}).fetchall()
    return [_run(connection, row, target) for row in reversed(rows)]


def _run(connection: sqlite3.Connection, row: tuple[object, ...], target: str | None) -> PastRun:
    number, ident, command, started, finished, complete, version, code, findings, high, medium, low = row
    # The scope of objects says which rows they were held against, too.
    query = """
        SELECT DISTINCT source, CASE WHEN source = 'objects' THEN address ELSE scope END
        FROM history.sources WHERE run = ? ORDER BY 1, 2
    """
    found_in = connection.execute(query, (number,)).fetchall()
    sources = tuple(dict.fromkeys(str(source) for source, _place in found_in))
    found, opened, closed, all_seen = connection.execute(_COUNTS, {"run": number, "target": target}).fetchone()
    return PastRun(
        id=str(ident),
        command=str(command),
        started_at=str(started),
        finished_at=str(finished),
        complete=bool(complete),
        version=str(version),
        exit_code=_whole(code),
        findings=_whole(findings),
        by_severity={"high": _whole(high), "medium": _whole(medium), "low": _whole(low)},
        sources=sources,
        places=tuple(str(place) for _source, place in found_in),
        confirmed=_whole(found) if all_seen else None,
        new=_whole(opened) if all_seen else None,
        gone=_whole(closed) if all_seen else None,
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def report_of(connection: sqlite3.Connection, asked: str) -> Report:
    """Return the report of a run (`last` is the newest). Raises UsageError for a run that is not there, or damaged."""
    number, ident, _at = run_named(connection, asked)
    blob = connection.execute("SELECT report FROM history.runs WHERE number = ?", (number,)).fetchone()[0]
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(blob, _LARGEST)
    except (zlib.error, TypeError) as error:
        raise UsageError(f"the report of run {ident} is damaged in the history: {error}", _ANOTHER) from None
    if unpacking.unconsumed_tail:
        raise UsageError(f"the report of run {ident} is damaged in the history: it has no end", _ANOTHER)
    return load(text, f"the report of run {ident}")


@dataclass(frozen=True)
class Pruned:
    """What pruning removes, or would."""

    runs: int
    oldest: str | None
    newest: str | None
    episodes: int
    """Findings that were gone before the oldest run that is kept."""


def prune(connection: sqlite3.Connection, *, before: str | None, keep_last: int | None, dry_run: bool) -> Pruned:
    """Remove the runs that ended before a moment (ISO 8601), or all but the newest; open findings stay known."""
    connection.execute("BEGIN IMMEDIATE")
    about = {"before": before, "last": keep_last}
    doomed = """
        FROM history.runs WHERE (:before IS NULL OR finished_at < :before) AND (:last IS NULL OR number NOT IN (
            SELECT number FROM history.runs ORDER BY number DESC LIMIT :last
        ))
    """
    number, oldest, newest = connection.execute(
        f"SELECT count(*), min(finished_at), max(finished_at) {doomed}", about
    ).fetchone()
    for table in ("counts", "sources"):
        connection.execute(f"DELETE FROM history.{table} WHERE run IN (SELECT number {doomed})", about)
    connection.execute(f"DELETE FROM history.runs WHERE number IN (SELECT number {doomed})", about)
    # As of any run that is left, these were gone already; who was told of one is still to learn that it is gone.
    first = connection.execute("SELECT min(number) FROM history.runs").fetchone()[0]
    episodes = 0
    for table in ("episodes", "unlooked"):
        deleted = connection.execute(
            f"DELETE FROM history.{table} WHERE closed_run IS NOT NULL AND (:first IS NULL OR closed_run <= :first) "
            f"AND number NOT IN (SELECT item FROM history.told WHERE kind = '{table}')",
            {"first": first},
        ).rowcount
        episodes += deleted if table == "episodes" else 0
    connection.execute("ROLLBACK" if dry_run else "COMMIT")
    if number and not dry_run:
        connection.execute("VACUUM history")
    return Pruned(number, oldest, newest, episodes)


def scopes_at(connection: sqlite3.Connection) -> tuple[int, dict[str, str]]:
    """Return the newest run's number, and which database was last at each address."""
    number = connection.execute("SELECT coalesce(max(number), 0) FROM history.runs").fetchone()[0]
    rows = connection.execute(
        "SELECT address, scope FROM history.sources WHERE source NOT IN ('objects', 'logs') ORDER BY run"
    )
    return number, dict(rows.fetchall())


def newest_of(connection: sqlite3.Connection, scopes: Collection[str], before: int) -> tuple[str, str] | None:
    """Return ID and end of the newest run of any of these sources, up to a number."""
    found: tuple[str, str] | None = connection.execute(
        "SELECT id, finished_at FROM history.runs WHERE number <= ? AND number IN (SELECT run FROM history.sources "
        "WHERE scope IN (SELECT value FROM json_each(?))) ORDER BY number DESC LIMIT 1",
        (before, json.dumps(sorted(scopes))),
    ).fetchone()
    return found


def last_complete(connection: sqlite3.Connection, command: str, addresses: Collection[str]) -> str | None:
    """Return when the newest complete run of a command over just these sources ended."""
    rows = connection.execute(
        "SELECT number, finished_at FROM history.runs WHERE complete AND command = ? ORDER BY number DESC LIMIT ?",
        (command, _LOOKED_THROUGH),
    ).fetchall()
    for number, at in rows:
        found = {row[0] for row in connection.execute("SELECT address FROM history.sources WHERE run = ?", (number,))}
        if found == set(addresses):
            return str(at)
    return None
