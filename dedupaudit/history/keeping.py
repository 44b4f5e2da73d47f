"""Makes a run one of the history, in one transaction: what it found is opened, what it no longer finds is closed.

A confirmed finding opens an episode; the first later run that looked at its place and does not find it, with whatever
verdict, closes it. Of two runs at the same time the one that began later has seen the newer state: where it was kept
first, the other neither opens nor closes anything at the places that both looked at.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from dedupaudit.history.memory import Where
from dedupaudit.model import Coverage, Report

KEPT_FINDINGS = 1000
_REASON = 500  # characters of it that are kept

_PLACES = """
    INSERT OR IGNORE INTO history.places (scope, source, target, chk)
    SELECT scope, source, target, chk FROM places
"""
_NUMBERS = """
    UPDATE places SET stored = (
        SELECT h.number FROM history.places h
        WHERE (h.scope, h.source, h.target, h.chk) = (places.scope, places.source, places.target, places.chk)
    )
"""
# Places that a run which began later has looked at already, while this one was under way.
_OVERTAKEN = """
    SELECT stored FROM places JOIN history.places h ON h.number = stored
    WHERE h.looked_run > :before AND h.looked_since > :started
"""
_OPEN = f"""
    INSERT INTO history.episodes (place, fingerprint, severity, key, opened_run, opened_at)
    SELECT stored, fingerprint, severity, key, :run, :at FROM found JOIN places ON number = place
    WHERE confirmed AND stored NOT IN ({_OVERTAKEN}) AND NOT EXISTS (
        SELECT 1 FROM history.episodes e
        WHERE e.place = stored AND e.fingerprint = found.fingerprint AND e.closed_run IS NULL
    )
    GROUP BY fingerprint, stored ORDER BY fingerprint
"""
_CLOSE = f"""
    UPDATE history.episodes SET closed_run = :run, closed_at = :at
    WHERE closed_run IS NULL
        AND place IN (SELECT stored FROM places WHERE status = 'checked' AND stored NOT IN ({_OVERTAKEN}))
        AND NOT EXISTS (SELECT 1 FROM found WHERE found.fingerprint = episodes.fingerprint)
"""
_COUNTS = """
    INSERT INTO history.counts (run, place, status, found, opened, closed)
    SELECT :run, stored, coalesce(status, 'stopped'), coalesce(f.n, 0), coalesce(o.n, 0), coalesce(c.n, 0) FROM places
    LEFT JOIN (SELECT place, count(*) n FROM found WHERE confirmed GROUP BY 1) f ON f.place = number
    LEFT JOIN (SELECT place, count(*) n FROM history.episodes WHERE opened_run = :run GROUP BY 1) o ON o.place = stored
    LEFT JOIN (SELECT place, count(*) n FROM history.episodes WHERE closed_run = :run GROUP BY 1) c ON c.place = stored
    WHERE true
"""
_UNCOUNTED = """
    INSERT INTO history.counts (run, place, status)
    SELECT :run, stored, coalesce(status, 'stopped') FROM places
"""
_LOOKED = """
    UPDATE history.places SET looked_run = :run, looked_since = :started
    WHERE number IN (SELECT stored FROM places WHERE status = 'checked')
        AND (looked_since IS NULL OR looked_run <= :before OR looked_since <= :started)
"""
_NOT_LOOKED = """
    INSERT OR IGNORE INTO history.unlooked (address, source, target, chk, reason, opened_run, opened_at)
    VALUES (:address, :source, :target, :check, :reason, :run, :at)
"""
_LOOKED_AGAIN = """
    UPDATE history.unlooked SET closed_run = ?, closed_at = ?
    WHERE closed_run IS NULL AND address = ? AND source = ? AND target = ? AND chk = ?
"""


@dataclass(frozen=True)
class Kept:
    """What is kept of a run: `before` is the number of the newest run when it began."""

    report: Report
    exit_code: int
    before: int
    addresses: Mapping[str, str]
    scopes: Mapping[Where, str]
    saw_all: bool


def keep(connection: sqlite3.Connection, kept: Kept) -> int:
    """Add the run to the history, which is attached, and return its number."""
    connection.execute("BEGIN IMMEDIATE")
    run = _add_run(connection, kept)
    about = {
        "run": run,
        "at": kept.report.run.finished_at,
        "started": kept.report.run.started_at,
        "before": kept.before,
    }
    connection.execute(_PLACES)
    connection.execute(_NUMBERS)
    if kept.saw_all:
        connection.execute(_OPEN, about)
        connection.execute(_CLOSE, about)
        connection.execute(_COUNTS, about)
        connection.execute(_LOOKED, about)
    else:
        connection.execute(_UNCOUNTED, about)
    _note_unlooked(connection, kept, about)
    connection.execute("COMMIT")
    return run


def _add_run(connection: sqlite3.Connection, kept: Kept) -> int:
    report = kept.report
    run, summary = report.run, report.summary
    row = (
        run.id,
        run.command,
        run.started_at,
        run.finished_at,
        report.complete,
        report.tool.version,
        kept.exit_code,
        summary.findings,
        *(summary.by_severity.get(severity, 0) for severity in ("high", "medium", "low")),
        zlib.compress(_text(report).encode(), 6),
    )
    marks = ", ".join("?" * len(row))
    number = connection.execute(
        "INSERT INTO history.runs (id, command, started_at, finished_at, complete, version, exit_code, findings, high, "
        f"medium, low, report) VALUES ({marks})",
        row,
    ).lastrowid
    sources = {(where[0], scope, kept.addresses[where[0]]) for where, scope in kept.scopes.items()}
    connection.executemany(
        "INSERT INTO history.sources (run, source, scope, address) VALUES (?, ?, ?, ?)",
        [(number, *source) for source in sorted(sources)],
    )
    return number or 0


def _text(report: Report) -> str:
    """Return the report as JSON, with so many findings that a year of nights stays small."""
    if len(report.findings) > KEPT_FINDINGS:
        report = report.model_copy(update={"findings": report.findings[:KEPT_FINDINGS], "truncated": True})
    return report.model_dump_json(by_alias=True)


def _note_unlooked(connection: sqlite3.Connection, kept: Kept, about: Mapping[str, object]) -> None:
    """Open what could not be looked at, and close what could be again."""
    failed = {where_of(row): row for row in kept.report.coverage if row.status in ("failed", "stopped")}
    connection.executemany(
        _NOT_LOOKED,
        [
            {**about, "address": kept.addresses[row.source], "source": row.source, "target": row.target}
            | {"check": row.check, "reason": (row.reason or "")[:_REASON]}
            for row in failed.values()
        ],
    )
    looked = {place for row in kept.report.coverage if row.status == "checked" for place in _covering(row)}
    connection.executemany(
        _LOOKED_AGAIN,
        [(about["run"], about["at"], kept.addresses[one[0]], *one) for one in sorted(looked - set(failed))],
    )


def where_of(row: Coverage) -> Where:
    """Return the place of a row of the coverage."""
    return row.source, row.target, row.check


def _covering(row: Coverage) -> tuple[Where, ...]:
    """Return what has been looked at where a check looked: its place, and the table and source that it is of."""
    return where_of(row), (row.source, row.target, "*"), (row.source, "*", "*")


def withdraw(connection: sqlite3.Connection, run: int) -> None:
    """Take a run out of the history, which is attached, and undo what it opened and closed."""
    connection.execute("BEGIN IMMEDIATE")
    for table in ("episodes", "unlooked"):
        connection.execute(f"DELETE FROM history.{table} WHERE opened_run = ?", (run,))
        # What another run has opened again since is open already.
        connection.execute(
            f"UPDATE OR IGNORE history.{table} SET closed_run = NULL, closed_at = NULL WHERE closed_run = ?", (run,)
        )
    for table, column in (("counts", "run"), ("sources", "run"), ("runs", "number")):
        connection.execute(f"DELETE FROM history.{table} WHERE {column} = ?", (run,))
    connection.execute("COMMIT")
