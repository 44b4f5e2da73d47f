"""Who was told of what: each receiver learns once that a problem is there, and once that it is gone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from dedupaudit.history.memory import News, Problem, Unlooked, Where
from dedupaudit.history.sightings import key_of
from dedupaudit.model import SEVERITIES, Severity

# What is to be told now. It stays as it is until it was told, whatever other runs add to the history meanwhile.
_TELLING = "CREATE TABLE IF NOT EXISTS telling (receiver TEXT, kind TEXT, item INTEGER, is_open INTEGER)"
_OPENED = """
    INSERT INTO telling
    SELECT :receiver, 'episodes', e.number, 1 FROM history.episodes e JOIN history.places p ON p.number = e.place
    WHERE e.closed_run IS NULL AND p.scope IN (SELECT value FROM json_each(:scopes))
        AND e.severity IN (SELECT value FROM json_each(:severities))
        AND (p.source, p.target, p.chk) NOT IN (
            SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
            FROM json_each(:tolerated)
        )
        AND NOT EXISTS (
            SELECT 1 FROM history.told t WHERE (t.receiver, t.kind, t.item) = (:receiver, 'episodes', e.number)
        )
"""
_CLOSED = """
    INSERT INTO telling
    SELECT :receiver, 'episodes', e.number, 0 FROM history.told t
    JOIN history.episodes e ON e.number = t.item JOIN history.places p ON p.number = e.place
    WHERE t.receiver = :receiver AND t.kind = 'episodes' AND e.closed_run IS NOT NULL
        AND p.scope IN (SELECT value FROM json_each(:scopes))
"""
_UNLOOKED = """
    INSERT INTO telling
    SELECT :receiver, 'unlooked', u.number, u.closed_run IS NULL FROM history.unlooked u
    LEFT JOIN history.told t ON (t.receiver, t.kind, t.item) = (:receiver, 'unlooked', u.number)
    WHERE u.address IN (SELECT value FROM json_each(:addresses)) AND (u.closed_run IS NULL) = (t.item IS NULL)
"""
_PROBLEMS = """
    SELECT p.chk, e.severity, p.source, p.target, e.key, e.opened_at FROM telling t
    JOIN history.episodes e ON e.number = t.item JOIN history.places p ON p.number = e.place
    WHERE t.receiver = ? AND t.kind = 'episodes' AND t.is_open = ?
    ORDER BY e.severity = 'high' DESC, e.severity = 'medium' DESC, e.opened_run DESC, p.chk, p.source, p.target, e.key
    LIMIT ?
"""


class Telling:
    """What receivers are told of the sources with these scopes and addresses; the history is attached."""

    def __init__(self, connection: sqlite3.Connection, scopes: Collection[str], addresses: Collection[str]) -> None:
        self._connection = connection
        self._scopes, self._addresses = json.dumps(sorted(scopes)), json.dumps(sorted(addresses))
        connection.execute(_TELLING)

    def untold(self, receiver: str, severities: Collection[Severity], tolerated: Collection[Where], first: int) -> News:
        """Return what the receiver was not told yet."""
        about = {
            "receiver": receiver,
            "scopes": self._scopes,
            "addresses": self._addresses,
            "severities": json.dumps(sorted(severities)),
            "tolerated": json.dumps(sorted(tolerated)),
        }
        self._connection.execute("DELETE FROM telling WHERE receiver = ?", (receiver,))
        for statement in (_OPENED, _CLOSED, _UNLOOKED):
            self._connection.execute(statement, about)
        by_severity = self._by_severity(receiver)
        return News(
            opened=sum(by_severity.values()),
            opened_by_severity=by_severity,
            opened_first=self._problems(receiver, is_open=True, first=first),
            closed=self._closed(receiver),
            closed_first=self._problems(receiver, is_open=False, first=first),
            unlooked=self._unlooked(receiver, is_open=True),
            looked_again=self._unlooked(receiver, is_open=False),
        )

    def _by_severity(self, receiver: str) -> dict[Severity, int]:
        query = """
            SELECT e.severity, count(*) FROM telling t JOIN history.episodes e ON e.number = t.item
            WHERE t.receiver = ? AND t.kind = 'episodes' AND t.is_open GROUP BY e.severity
        """
        found = dict(self._connection.execute(query, (receiver,)).fetchall())
        return {severity: found[severity] for severity in SEVERITIES if severity in found}

    def _closed(self, receiver: str) -> int:
        query = "SELECT count(*) FROM telling WHERE receiver = ? AND kind = 'episodes' AND NOT is_open"
        return int(self._connection.execute(query, (receiver,)).fetchone()[0])

    def _problems(self, receiver: str, *, is_open: bool, first: int) -> tuple[Problem, ...]:
        rows = self._connection.execute(_PROBLEMS, (receiver, is_open, first))
        return tuple(
            Problem(check, severity, source, target, key_of(key), since)
            for check, severity, source, target, key, since in rows
        )

    def _unlooked(self, receiver: str, *, is_open: bool) -> tuple[Unlooked, ...]:
        query = """
            SELECT source, target, chk, reason, opened_at FROM telling t
            JOIN history.unlooked u ON u.number = t.item
            WHERE t.receiver = ? AND t.kind = 'unlooked' AND t.is_open = ? ORDER BY u.number
        """
        return tuple(Unlooked(*row) for row in self._connection.execute(query, (receiver, is_open)))

    def mark_told(self, receiver: str) -> None:
        """Note that the receiver knows it now."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(
            "INSERT OR IGNORE INTO history.told "
            "SELECT receiver, kind, item FROM telling WHERE receiver = ? AND is_open",
            (receiver,),
        )
        self._connection.execute(
            "DELETE FROM history.told WHERE (receiver, kind, item) IN "
            "(SELECT receiver, kind, item FROM telling WHERE receiver = ? AND NOT is_open)",
            (receiver,),
        )
        self._connection.execute("DELETE FROM telling WHERE receiver = ?", (receiver,))
        self._connection.execute("COMMIT")
