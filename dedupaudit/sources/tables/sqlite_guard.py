"""Opens an SQLite database so that it cannot be written: read-only file, query_only, and an authorizer.

`mode=ro` alone still lets a statement ATTACH and write another file; the authorizer refuses everything but reading.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.sources.tables.protocol import Undecodable

OLDEST = (3, 35, 0)
BUSY_SECONDS = 5.0
_MAGIC = b"SQLite format 3\0"

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
}
# Reading the catalog; none of these takes a value that changes anything.
_PRAGMAS = {"table_xinfo", "index_list", "index_xinfo", "encoding"}
_REFUSED_FUNCTIONS = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"}


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def decode(raw: bytes) -> object:
    """Return text, or the bytes of what is not text in the database's encoding."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return Undecodable(raw)


class Stillness:
    """Watches a file that is read without locks: whatever changes it meanwhile spoils the reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = self._state()
        self._alone = not _wal(path).exists()

    def _state(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def check_asleep(self) -> None:
        """Raise SourceError as well where a writer came meanwhile: what it commits is not in the file yet."""
        self.check()
        if self._alone and _wal(self._path).exists():
            raise SourceError(
                f"{visible(str(self._path))} was opened by a writer while it was read without locks",
                "try again while its application runs (then SQLite's own locks hold), or audit a copy",
            )

    def check(self) -> None:
        """Raise SourceError if the file is not the one that was opened any more."""
        try:
            changed = self._state() != self._before
        except OSError:
            changed = True
        if changed:
            raise SourceError(
                f"{visible(str(self._path))} was written to while it was read without locks",
                "try again while its application runs (then SQLite's own locks hold), or audit a copy",
            )


def is_sleeping_wal(path: Path) -> bool:
    """Say whether a database is in WAL mode and nobody has it open.

    Even to read one, SQLite makes a -wal and a -shm file beside it and leaves them there; made by an auditor, they can
    lock the application out. Without a -wal file all of the data is in the database file itself.
    """
    with path.open("rb") as file:
        header = file.read(20)
    return header[18:20] == b"\x02\x02" and not _wal(path).exists()


def _wal(path: Path) -> Path:
    return Path(f"{path}-wal")


def connect(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Open a database file for reading alone; raises SourceError where that cannot be.

    `immutable` reads without locks and without the files of WAL mode: then Stillness has to watch it.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise SourceError(
            f"SQLite {sqlite3.sqlite_version} is too old: dedupaudit needs 3.35 or newer",
            "use a Python that was built with a newer SQLite",
        )
    look(path)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro" + ("&immutable=1" if immutable else "")
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=16)
    connection.text_factory = decode
    # Sorting in worker threads, with the small cache that SQLite is fastest with, and spilling to files:
    # bench/RESULTS.md has the figures.
    for pragma in ("query_only = ON", "trusted_schema = OFF", "temp_store = FILE", "cache_size = -2000", "threads = 2"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(_authorize)
    return connection


def look(path: Path) -> None:
    """Say plainly what SQLite would call `unable to open database file`."""
    shown = visible(str(path))
    try:
        if path.is_dir():
            raise SourceError(f"{shown} is a folder, not a database file", "name the file in it: sqlite:///DIR/app.db")
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise SourceError(
            f"no such database file: {shown}",
            "check the path: sqlite:///relative.db counts from here, sqlite:////absolute.db from the root",
        ) from None
    except OSError as error:
        raise SourceError(f"cannot read the database file {shown}: {error.strerror}", "check its permissions") from None
    except ValueError:
        raise SourceError(f"{shown} is not a possible file name", "check the path in the URL") from None
    if begin and begin != _MAGIC:
        # SQLite takes a very short file of anything for an empty database.
        raise explain(sqlite3.DatabaseError("file is not a database"), path)


def explain(error: sqlite3.Error, path: Path) -> SourceError:
    """Return what a failure of SQLite means, and what to do about it."""
    text, shown = str(error), visible(str(path))
    for words, what, hint in _FAILURES:
        if words in text:
            return SourceError(f"{shown}: {what}", hint)
    return SourceError(f"{shown}: {visible(text)}", "run again with -v for the details")


_FAILURES = (
    ("file is not a database", "this is not an SQLite database (or it is encrypted)", "check the path in --db"),
    (
        "malformed",
        "the database is corrupt",
        "see how far with sqlite3's PRAGMA integrity_check; audit a restored copy",
    ),
    (
        "is locked",
        f"the database stayed locked by another program for {BUSY_SECONDS:.0f} s",
        "try again when its writer is done, switch it to WAL, or audit a copy",
    ),
    (
        "disk is full",
        "the disk for temporary files is full: the sort could not spill",
        "free space, or set SQLITE_TMPDIR to a folder with room for a copy of the keys",
    ),
    (
        "disk I/O error",
        "reading the file, or writing a temporary one, failed",
        "check the disk, and the space in SQLITE_TMPDIR",
    ),
    (
        "unable to open database file",
        "SQLite cannot open it or its temporary files",
        "a WAL database in a read-only folder needs ?immutable=1 (only when nothing writes to it)",
    ),
    (
        "no such collation sequence",
        "a column uses a collation that only its own application knows",
        "its equality cannot be asked here: audit through that application, or a copy without the collation",
    ),
    ("not authorized", "the audit's connection refused a statement that does more than read", "remove it"),
)
