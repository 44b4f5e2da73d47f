"""The file in which runs are kept: found, made, opened for a moment, and kept aside where it is damaged."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, OutputError, UsageError
from dedupaudit.history.schema import APPLICATION, INDEXES, TABLES, VERSION
from dedupaudit.saying import say
from dedupaudit.state import state_folder

if TYPE_CHECKING:
    from dedupaudit.config import Options

Answer = TypeVar("Answer")
Connection = sqlite3.Connection

PATIENCE = 10.0
"""Seconds that a run waits for another one that is writing."""
_ELSEWHERE = "name another file by --history FILE, or keep nothing: --history none"
# What lies beside the file and belongs to it.
_BESIDE = ("-journal", "-wal", "-shm")
_DATABASES = (".db", ".sqlite", ".sqlite3")
_HEADER = b"SQLite format 3\0"


class _Damaged(Exception):
    """The file is no history any more, although it was one or stands in its place."""


def history_path(options: Options, environ: Mapping[str, str]) -> Path | None:
    """Return where runs are kept; None where none are to be kept. The file may not exist yet."""
    if options.history == "none":
        return None
    if options.history is not None:
        return Path(options.history).expanduser()
    folder = state_folder(environ)
    return folder / "history.db" if folder else None


def private() -> sqlite3.Connection:
    """Open a database that nobody else sees and that is gone when it is closed; what is large in it is on disk."""
    connection = sqlite3.connect("", timeout=PATIENCE, isolation_level=None, uri=True)
    connection.execute("PRAGMA temp_store = FILE")
    return connection


class Store:
    """The history file. It is open only while something is asked of it: a run may take hours."""

    def __init__(self, path: Path, *, named: bool) -> None:
        self.path = path
        self._named = named  # by the user, who is then told of a folder that does not exist

    @property
    def shown(self) -> str:
        """The file's name, for people."""
        return visible(str(self.path), 400)

    def exists(self) -> bool:
        """Say whether there is a file; raises UsageError for what cannot be a history."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise self._refused(error) from None
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"the history {self.shown} is not a file", _ELSEWHERE)
        return True

    def make(self) -> None:
        """Make the file, and the folders above the usual place, where they are not there; nobody else can read it."""
        if self.exists():
            return
        try:
            if not self._named:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Through a link that leads nowhere yet, too.
            os.close(os.open(os.path.realpath(self.path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except (OSError, ValueError) as error:
            raise self._refused(error) from None

    def ask(self, question: Callable[[Connection], Answer]) -> Answer | None:
        """Return the answer to one question; None where there is no file yet. A damaged one is refused."""
        if not self.exists():
            return None
        with closing(private()) as connection:
            return self.use(connection, lambda: question(connection), repair=False)

    def use(self, connection: sqlite3.Connection, work: Callable[[], Answer], *, repair: bool = True) -> Answer:
        """Do `work` with the file attached to the connection as `history`; what it began is undone where it fails.

        A damaged file is kept aside and a new one begun, or with `repair` off refused. Raises UsageError for what is no
        history of this version, OutputError where it is locked or cannot be written.
        """
        try:
            return self._use(connection, work)
        except _Damaged:
            if not repair:
                raise UsageError(
                    f"the history {self.shown} is damaged", "the next run keeps it aside and begins a new one"
                ) from None
        self._keep_aside()
        self.make()
        try:
            return self._use(connection, work)
        except _Damaged:
            raise OutputError(f"the history {self.shown} is damaged again as soon as it is made", _ELSEWHERE) from None

    def _use(self, connection: sqlite3.Connection, work: Callable[[], Answer]) -> Answer:
        try:
            with self._attached(connection):
                return work()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    @contextmanager
    def _attached(self, connection: sqlite3.Connection) -> Iterator[None]:
        name = quote(os.path.realpath(self.path).encode("utf-8", "surrogateescape"))
        connection.execute("ATTACH ? AS history", (f"file:{name}?mode=rw",))
        try:
            self._check(connection)
            yield
        finally:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            with suppress(sqlite3.Error):
                connection.execute("DETACH history")

    def _check(self, connection: sqlite3.Connection) -> None:
        """Raise for what is no history, or one that a newer version made; an empty file becomes one."""
        owner, version = _number(connection, "application_id"), _number(connection, "user_version")
        names = _names(connection)
        if not names and owner in (0, APPLICATION) and not version:
            _begin(connection)
            return
        if owner != APPLICATION:
            raise UsageError(f"{self.shown} is an SQLite database, but not a history of dedupaudit", _ELSEWHERE)
        if version > VERSION:
            raise UsageError(
                f"the history {self.shown} was made by a newer dedupaudit: it has version {version}, and this one "
                f"knows {VERSION}",
                f"use the newer dedupaudit; or {_ELSEWHERE}",
            )
        if not names.issuperset(TABLES):
            raise _Damaged

    def _keep_aside(self) -> None:
        """Rename the file and what belongs to it; what may be somebody's text, named by mistake, is refused."""
        if self._named and self.path.suffix.lower() not in _DATABASES and not self._begins_like_one():
            raise UsageError(f"{self.shown} is not a history", _ELSEWHERE)
        aside = f"{self.path}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        try:
            os.rename(self.path, aside)
            for ending in _BESIDE:
                with suppress(FileNotFoundError):
                    os.rename(f"{self.path}{ending}", f"{aside}{ending}")
        except FileNotFoundError:
            pass  # another run, beside this one, was first
        except OSError as error:
            raise self._refused(error) from None
        say(
            "history.failed",
            f"the history {self.shown} is damaged: it is kept as {visible(aside, 400)}, and a new one is begun",
        )

    def _begins_like_one(self) -> bool:
        try:
            with self.path.open("rb") as stream:
                return stream.read(len(_HEADER)) == _HEADER
        except OSError:
            return False

    def _explained(self, error: sqlite3.Error) -> AuditError | _Damaged:
        """Return what an error of SQLite's means."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return _Damaged()
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return OutputError(
                f"the history {self.shown} is locked: another program is writing to it for more than {PATIENCE:.0f} s",
                "run again when it is done",
            )
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            return OutputError(
                f"the history {self.shown}: {visible(str(error))}: is the disk full, here or for temporary files?",
                f"free some space; or {_ELSEWHERE}",
            )
        return OutputError(f"the history {self.shown} cannot be used: {visible(str(error))}", _ELSEWHERE)

    def _refused(self, error: OSError | ValueError) -> AuditError:
        reason = visible(getattr(error, "strerror", None) or "not a possible file name")
        return UsageError(f"the history {self.shown} cannot be opened: {reason}", _ELSEWHERE)


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    # Another run may have been faster.
    if not _names(connection):
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE history.{name} ({columns}\n)")
        for index in INDEXES:
            connection.execute(index)
        connection.execute(f"PRAGMA history.application_id = {APPLICATION}")
        connection.execute(f"PRAGMA history.user_version = {VERSION}")
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA history.{pragma}").fetchone()[0])


def _names(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SELECT name FROM history.sqlite_master WHERE type = 'table'")}
