"""A scratch SQLite file, in a temporary folder of its own: a drill never writes to the user's file."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.config import DatabaseSettings
from dedupaudit.display import visible
from dedupaudit.drill.protocol import Shape
from dedupaudit.drill.scratch.owner import COLUMNS, MARKER, Leftover, is_name, marker, may_live, new_name
from dedupaudit.drill.scratch.shapes import TABLES, statements_of
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.tables.sqlite_guard import OLDEST, explain, look
from dedupaudit.sources.tables.sqlite_sql import quote
from dedupaudit.urls import DatabaseUrl

if TYPE_CHECKING:
    from sqlalchemy import Engine

_FILE = "app.db"
_LOCK = "lock"
_BUSY_SECONDS = 10.0
_WAL = b"\x02\x02"


class SqliteScratch:
    """A `Scratch`. A pickled one is the address alone: the lock stays with the process that made the folder."""

    def __init__(self, settings: DatabaseSettings, folder: Path, lock: int | None = None) -> None:
        self.around = settings
        """The database that it is like."""
        self._folder = folder
        self._lock = lock
        self.path = folder / _FILE
        self.name = folder.name
        self.shown = visible(f"file {self.path}")

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_lock": None}

    def create(self, shape: Shape) -> None:
        """Make empty tables of this shape, in place of those that are there."""
        with connected(self.path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table in TABLES:
                connection.execute(f"DROP TABLE IF EXISTS main.{quote(table)}")
            for statement in statements_of("sqlite", shape, {table: table for table in TABLES}):
                connection.execute(statement)
            connection.execute("COMMIT")

    def table(self, name: str) -> tuple[str, ...]:
        """Return the real name of a table in it."""
        return (name,)

    def database(self) -> DatabaseSettings:
        """Return what the audit opens."""
        return replace(self.around, url=DatabaseUrl("sqlite", database=str(self.path)))

    def engine(self) -> Engine:
        """Return a new engine for this process."""
        from dedupaudit.drill.engines import engine_of

        return engine_of(self.database().url)

    def drop(self) -> None:
        """Take it all away."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.exists():
            raise SourceError(f"the folder {visible(str(self._folder))} could not be removed", "remove it by hand")
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def make(settings: DatabaseSettings, interrupt: Interrupt) -> SqliteScratch:
    """Make an empty file in a new folder, with the journal of the user's file; hold its lock while this lives."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise SourceError("this SQLite is too old: dedupaudit needs 3.35 or newer", "use a Python with a newer one")
    like = Path(settings.url.database or "")
    look(like)
    with like.open("rb") as file:
        journal = "wal" if file.read(20)[18:20] == _WAL else "delete"
    while True:
        interrupt.check()
        folder = Path(tempfile.gettempdir(), new_name())
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise SourceError(
                f"no temporary folder can be made in {visible(str(folder.parent))}: {error.strerror}",
                "name another one by TMPDIR",
            ) from error
        scratch = SqliteScratch(settings, folder)
        try:
            scratch = SqliteScratch(settings, folder, _locked(folder))
            _begin(scratch.path, journal)
        except BaseException:
            scratch.drop()
            raise
        return scratch


def abandoned(_settings: DatabaseSettings, *, drop: bool) -> list[Leftover]:
    """Return the folders that this user's killed drills left, and remove them where that is asked for."""
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob("dedupaudit_drill_*")):
        row = _owner(folder)
        if row is None or may_live(row):
            continue
        try:
            lock = _locked(folder)
        except OSError:
            continue
        try:
            if drop:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
        told = visible(f"process {row[1]} on {row[0]}, {row[3]}")
        found.append(Leftover(folder.name, f"folder {visible(str(folder))} ({told})"))
    return found


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a scratch file for the block, in autocommit; raises SourceError."""
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _begin(path: Path, journal: str) -> None:
    columns = ", ".join(f"{column} TEXT NOT NULL" for column in COLUMNS)
    with connected(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("BEGIN")
        connection.execute(f"CREATE TABLE {MARKER} ({columns})")
        connection.execute(f"INSERT INTO {MARKER} VALUES ({', '.join('?' * len(COLUMNS))})", marker())
        connection.execute("COMMIT")


def _locked(folder: Path) -> int:
    """Lock a folder, as long as this process and its children live; raises OSError where another one has it."""
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _owner(folder: Path) -> tuple[object, ...] | None:
    """Return the marker's row of a folder that is this user's own; None where it has none."""
    try:
        status = folder.lstat()
        if not is_name(folder.name) or folder.is_symlink() or status.st_uid != os.getuid():
            return None
        # Nothing is written there: whoever is asked whether it lives must not find its file locked.
        uri = f"{(folder / _FILE).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as connection:
            rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM {MARKER}").fetchall()
    except (OSError, sqlite3.Error):
        return None
    return rows[0] if len(rows) == 1 else None
