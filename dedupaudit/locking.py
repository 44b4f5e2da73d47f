"""`--lock`: one run at a time over the same sources, by locks of the kernel's: those of a dead process are gone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.display import visible
from dedupaudit.errors import Locked, UsageError
from dedupaudit.state import state_folder

if TYPE_CHECKING:
    from dedupaudit.config import Settings
    from dedupaudit.urls import DatabaseUrl

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
# What of a URL's options says where the database is, and not how to get there.
_PLACE = ("host", "hostaddr", "port", "dbname", "service", "unix_socket")
_LARGEST = 4096


@contextmanager
def locked(settings: Settings, command: str) -> Iterator[None]:
    """Hold the locks of all sources during the block, where `--lock` asks for it.

    Raises Locked, which ends in 75, where another run looks at one of them, and UsageError where nothing can be locked.
    """
    with ExitStack() as stack:
        if settings.options.lock:
            folder = _folder(os.environ)
            # All in one order: of two runs that share some, one always gets them all.
            for name in sorted(_names(settings)):
                stack.enter_context(_held(folder / f"{name}.lock", command))
        yield


def _names(settings: Settings) -> set[str]:
    """Return a name for each source: a database's, or where there is none that of the store and logs.

    Two databases may share a store or logs, and each be audited by a run of its own: it is the database that is spared.
    """
    sources = [_place(database.url) for database in settings.databases]
    if not sources:
        objects = settings.objects.url if settings.objects else None
        logs = [os.path.abspath(file) for file in settings.logs.files] if settings.logs else []
        sources = [json.dumps(["files", objects, sorted(logs) or os.getcwd()])]
    return {hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:32] for source in sources}


def _place(url: DatabaseUrl) -> str:
    """Return where a database is, however it is named; no user, no password."""
    if url.scheme == "sqlite":
        return json.dumps(["sqlite", os.path.realpath(url.database or "")])
    scheme = "mysql" if url.scheme == "mariadb" else url.scheme
    options = [(name, url.query[name]) for name in _PLACE if name in url.query]
    return json.dumps([scheme, (url.host or "").lower(), url.port or _PORTS.get(scheme), url.database, options])


def _folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the locks, and make it."""
    state = state_folder(environ)
    if state is None:
        raise _impossible(Path("~/.local/state"))
    folder = state / "locks"
    try:
        # `parents` gives those that it makes the usual mode: the tool's own folder is made by itself.
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _impossible(folder, error) from None
    return folder


@contextmanager
def _held(path: Path, command: str) -> Iterator[None]:
    """Hold one lock. The file stays: who removed it could remove the one that another run has just locked."""
    try:
        # Closed in every program that this one starts (PEP 446): none of them would hold the lock on.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _impossible(path, error) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise _impossible(path, error) from None
            raise Locked(
                f"another run{_told(file)} looks at the same sources",
                "wait until it is done, or run without --lock beside it",
            ) from None
        _tell(file, command)
        yield
    finally:
        os.close(file)


def _tell(file: int, command: str) -> None:
    """Write down who holds the lock. It is held without that too: a full disk does not end an audit."""
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    said = {"pid": os.getpid(), "host": socket.gethostname(), "command": command, "since": since}
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(said).encode("ascii"), 0)


def _told(file: int) -> str:
    """Return who holds the lock, as far as that was written down."""
    try:
        said = json.loads(os.pread(file, _LARGEST, 0))
        pid, host, command, since = (said[name] for name in ("pid", "host", "command", "since"))
    except (OSError, ValueError, TypeError, LookupError):
        return ""
    return f" (`{visible(command)}`, process {visible(pid)} on {visible(host)}, since {visible(since)})"


def _impossible(path: Path, error: OSError | None = None) -> UsageError:
    reason = getattr(error, "strerror", None) or "your folder is not known"
    return UsageError(
        f"--lock: cannot lock {visible(str(path), 400)}: {reason}",
        "have XDG_STATE_HOME name a folder that this user can write, or leave --lock out",
    )
