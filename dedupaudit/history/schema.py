"""The tables of a history file, and the numbers by which one is known.

A run's number (`runs.number`) grows with each run that is kept and is never given twice: the state as of any run is
what was opened up to its number, and not closed up to it.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
APPLICATION: Final = 0x64647564
"""What SQLite's header says whose file it is: `ddud`."""

TABLES: Final = {
    "runs": """
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        command TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT NOT NULL,
        complete INTEGER NOT NULL,
        version TEXT NOT NULL,
        exit_code INTEGER NOT NULL,
        findings INTEGER NOT NULL,
        high INTEGER NOT NULL,
        medium INTEGER NOT NULL,
        low INTEGER NOT NULL,
        report BLOB NOT NULL -- JSON, zlib""",
    "sources": """
        run INTEGER NOT NULL,
        source TEXT NOT NULL,
        scope TEXT NOT NULL, -- which database, store or logs it is, hashed
        address TEXT NOT NULL, -- what the settings say of it, hashed
        PRIMARY KEY (run, source, scope)""",
    "places": """
        number INTEGER PRIMARY KEY,
        scope TEXT NOT NULL,
        source TEXT NOT NULL,
        target TEXT NOT NULL,
        chk TEXT NOT NULL,
        looked_run INTEGER, -- the run that looked last
        looked_since TEXT, -- and when it began
        UNIQUE (scope, source, target, chk)""",
    "counts": """
        run INTEGER NOT NULL,
        place INTEGER NOT NULL,
        status TEXT NOT NULL,
        found INTEGER, -- confirmed findings; NULL, as the next two, where not all of them were seen
        opened INTEGER,
        closed INTEGER,
        PRIMARY KEY (run, place)""",
    "episodes": """
        number INTEGER PRIMARY KEY,
        place INTEGER NOT NULL,
        fingerprint NOT NULL, -- 32 bytes; text where it is no SHA-256
        severity TEXT NOT NULL,
        key TEXT NOT NULL, -- JSON
        opened_run INTEGER NOT NULL,
        opened_at TEXT NOT NULL,
        closed_run INTEGER,
        closed_at TEXT""",
    "unlooked": """
        number INTEGER PRIMARY KEY,
        address TEXT NOT NULL,
        source TEXT NOT NULL,
        target TEXT NOT NULL,
        chk TEXT NOT NULL,
        reason TEXT NOT NULL,
        opened_run INTEGER NOT NULL,
        opened_at TEXT NOT NULL,
        closed_run INTEGER,
        closed_at TEXT""",
    "told": """
        receiver TEXT NOT NULL,
        kind TEXT NOT NULL, -- episodes or unlooked
        item INTEGER NOT NULL, -- its number: the receiver believes that it is open
        PRIMARY KEY (receiver, kind, item)""",
}

INDEXES: Final = (
    "CREATE UNIQUE INDEX history.open_once ON episodes (place, fingerprint) WHERE closed_run IS NULL",
    "CREATE INDEX history.closed ON episodes (closed_run) WHERE closed_run IS NOT NULL",
    "CREATE UNIQUE INDEX history.unlooked_once ON unlooked (address, source, target, chk) WHERE closed_run IS NULL",
)
