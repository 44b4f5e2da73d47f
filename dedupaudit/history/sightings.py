"""What one run found and what its baseline knew, in a private database: memory stays flat with millions of both."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from dedupaudit.history.memory import Where
from dedupaudit.model import Base64, Finding, GoneFinding, KeyValue

_BATCH = 2_000
_TABLES = """
    CREATE TABLE places (
        number INTEGER PRIMARY KEY, scope TEXT, source TEXT, target TEXT, chk TEXT, status TEXT, stored INTEGER
    );
    CREATE TABLE found (fingerprint, place INTEGER, confirmed INTEGER, news TEXT, severity TEXT, key TEXT);
    CREATE TABLE known_places (number INTEGER PRIMARY KEY, scope TEXT, source TEXT, target TEXT, chk TEXT);
    CREATE TABLE known (
        fingerprint, place INTEGER, severity TEXT, key TEXT, since TEXT, PRIMARY KEY (fingerprint, place)
    ) WITHOUT ROWID;
"""
# Findings that the baseline has and this run does not, at places where it looked. Filled: the scopes of the run.
_GONE = """
    FROM known JOIN known_places p ON p.number = known.place
    WHERE (p.source, p.target, p.chk) IN (SELECT source, target, chk FROM places WHERE status = 'checked')
        AND p.scope IN (SELECT value FROM json_each(?))
        AND NOT EXISTS (SELECT 1 FROM found WHERE found.fingerprint = known.fingerprint)
"""


class Known(NamedTuple):
    """A finding of the baseline; `since` is when the run ended that found it first."""

    scope: str
    fingerprint: bytes | str
    source: str
    target: str
    check: str
    severity: str
    key: str
    since: str | None


class Sightings:
    """The findings of this run, and those of its baseline."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.taken = 0
        self._places: dict[Where, int] = {}
        self._known_places: dict[tuple[str, str, str, str], int] = {}
        self._waiting: list[tuple[object, ...]] = []
        connection.executescript(_TABLES)

    def take(self, finding: Finding) -> None:
        """Note that a finding is there."""
        self.taken += 1
        self._waiting.append(
            (
                packed(finding.fingerprint),
                self.place((finding.source, finding.target, finding.check)),
                finding.verdict == "confirmed",
                finding.news,
                finding.severity,
                key_text(finding.key),
            )
        )
        if len(self._waiting) >= _BATCH:
            self._flush()

    def place(self, where: Where) -> int:
        """Return the number of a source, a target and a check."""
        if where not in self._places:
            self._places[where] = len(self._places) + 1
            self.connection.execute(
                "INSERT INTO places (number, source, target, chk) VALUES (?, ?, ?, ?)", (self._places[where], *where)
            )
        return self._places[where]

    def forget_found(self) -> None:
        """Take all of this run's findings back."""
        self._waiting.clear()
        self.connection.execute("DELETE FROM found")
        self.taken = 0

    def seen(self, looked: Mapping[Where, str], scopes: Mapping[Where, str]) -> None:
        """Close the list: `looked` has what became of each place, `scopes` whose it is."""
        self._flush()
        for where in looked:
            self.place(where)
        rows = [(scopes[where], looked.get(where), number) for where, number in self._places.items()]
        self.connection.executemany("UPDATE places SET scope = ?, status = ? WHERE number = ?", rows)
        self.connection.execute("CREATE INDEX IF NOT EXISTS found_fingerprint ON found (fingerprint)")

    @property
    def wheres(self) -> list[Where]:
        """The places that were looked at or that something was found at."""
        return list(self._places)

    def _flush(self) -> None:
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", self._waiting)
        self.connection.execute("COMMIT")
        self._waiting.clear()

    def know(self, known: Iterable[Known]) -> None:
        """Take the baseline's findings; of one that comes twice the first counts."""
        self.connection.execute("BEGIN")
        self.connection.executemany("INSERT OR IGNORE INTO known VALUES (?, ?, ?, ?, ?)", self._rows(known))
        self.connection.execute("COMMIT")

    def _rows(self, known: Iterable[Known]) -> Iterator[tuple[object, ...]]:
        for one in known:
            place = (one.scope, one.source, one.target, one.check)
            if place not in self._known_places:
                self._known_places[place] = len(self._known_places) + 1
                self.connection.execute(
                    "INSERT INTO known_places VALUES (?, ?, ?, ?, ?)", (self._known_places[place], *place)
                )
            yield one.fingerprint, self._known_places[place], one.severity, one.key, one.since

    def since(self, scope: str, finding: Finding) -> tuple[str | None] | None:
        """Return since when the baseline knows a finding, in a tuple; None where it does not."""
        place = self._known_places.get((scope, finding.source, finding.target, finding.check))
        if place is None:
            return None
        found: tuple[str | None] | None = self.connection.execute(
            "SELECT since FROM known WHERE fingerprint = ? AND place = ?", (packed(finding.fingerprint), place)
        ).fetchone()
        return found

    def sources_known(self) -> set[str]:
        """Return the sources that the baseline has findings of."""
        return {place[1] for place in self._known_places}

    def total_known(self, scopes: Iterable[str]) -> int:
        """Return how many findings the baseline has in these scopes."""
        query = "SELECT count(*) FROM known JOIN known_places p ON p.number = place WHERE p.scope IN {}"
        return self._number(query.format("(SELECT value FROM json_each(?))"), scopes)

    def found_by_news(self) -> dict[tuple[str, str], int]:
        """Return how many confirmed findings there are, by their news and severity."""
        query = "SELECT news, severity, count(*) FROM found WHERE confirmed GROUP BY news, severity"
        return {(news, severity): number for news, severity, number in self.connection.execute(query)}

    def total_gone(self, scopes: Iterable[str]) -> int:
        """Return how many findings of the baseline in these scopes are gone."""
        return self._number(f"SELECT count(*) {_GONE}", scopes)

    def gone(self, scopes: Iterable[str], first: int) -> tuple[GoneFinding, ...]:
        """Return the first of those that are gone, the worst first."""
        query = f"""
            SELECT known.fingerprint, p.chk, severity, p.source, p.target, key, since {_GONE}
            ORDER BY severity = 'high' DESC, severity = 'medium' DESC, p.chk, p.source, p.target, key, known.fingerprint
            LIMIT ?
        """
        rows = self.connection.execute(query, (json.dumps(list(scopes)), first))
        return tuple(
            GoneFinding(
                fingerprint=unpacked(fingerprint),
                check=check,
                severity=severity,
                source=source,
                target=target,
                key=key_of(key),
                known_since=since,
            )
            for fingerprint, check, severity, source, target, key, since in rows
        )

    def _number(self, query: str, scopes: Iterable[str]) -> int:
        return int(self.connection.execute(query, (json.dumps(list(scopes)),)).fetchone()[0])


def packed(fingerprint: str) -> bytes | str:
    """Return a SHA-256 as its 32 bytes; what is none (in a file of somebody's) stays text, which equals no bytes."""
    try:
        found = bytes.fromhex(fingerprint)
    except ValueError:
        return _storable(fingerprint)
    return found if found.hex() == fingerprint and len(found) == 32 else _storable(fingerprint)


def unpacked(fingerprint: bytes | str) -> str:
    """Return a fingerprint as reports have it."""
    return fingerprint.hex() if isinstance(fingerprint, bytes) else str(fingerprint)


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def key_text(key: Mapping[str, KeyValue]) -> str:
    """Return a finding's key as JSON."""
    plain = {name: value.model_dump() if isinstance(value, Base64) else value for name, value in key.items()}
    return json.dumps(plain)


def key_of(text: str) -> dict[str, Any]:
    """Return a key that was kept; a damaged one is empty."""
    try:
        key = json.loads(text)
    except ValueError:
        return {}
    return key if isinstance(key, dict) else {}
