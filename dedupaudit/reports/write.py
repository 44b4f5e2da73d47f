"""Puts a report or a findings file in its place: written beside it, renamed when whole; no reader sees half of it."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TextIO

from dedupaudit.display import visible
from dedupaudit.errors import AuditError, OutputError, UsageError
from dedupaudit.interrupt import held

_FULL = {
    errno.ENOSPC: "free some space, or name a file on another disk",
    errno.EDQUOT: "the disk quota is used up: name a file on another disk",
    errno.EFBIG: "the file would be too large here: name one on another disk",
    errno.EIO: "the disk reports an error: name a file on another one",
}
_MISPLACED = {
    errno.ENOENT: "make the folder first, or name another one",
    errno.ENOTDIR: "part of this path is a file: name another folder",
    errno.EISDIR: "name a file in it",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_report(path: Path | None, render: Callable[[TextIO], None]) -> None:
    """Render to a file, or to stdout where `path` is None or `-`.

    A file is UTF-8 and takes the old one's place only when it is whole; a signal waits until then. Raises UsageError
    for a place that cannot be written, OutputError where writing failed midway, BrokenPipeError for a reader that went
    away.
    """
    with held():
        _write(path, render)


def _write(path: Path | None, render: Callable[[TextIO], None]) -> None:
    if path is None or str(path) == "-":
        render(sys.stdout)
        sys.stdout.flush()
        return
    with Replacing(path) as file, explained(path):
        text = TextIOWrapper(file.stream, encoding="utf-8", newline="\n")
        try:
            render(text)
            text.flush()
        finally:
            # The file is closed by its own block, after the bytes have reached the disk.
            with suppress(OSError):
                text.detach()


def check_writable(path: Path) -> None:
    """Raise UsageError now for a place that `write_report` could not write to after an hour of scanning."""
    if str(path) == "-":
        return
    file = Replacing(path)
    if file.is_regular:
        # A pipe is not opened for nothing: its reader would take that for the end.
        with file:
            file.discard()


class Replacing:
    """A file being written beside `path`: renamed onto it at the end of the block, removed on an exception.

    A link is followed, an existing file's permissions are kept, and a device or a pipe is written to directly.
    """

    stream: BinaryIO

    def __init__(self, path: Path) -> None:
        self.path = path
        self.discarded = False
        with explained(path):
            self._before = _status(path)
            if self._before is not None and stat.S_ISDIR(self._before.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if self._before is not None and not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.is_regular = self._before is None or stat.S_ISREG(self._before.st_mode)
        # A link's own target is replaced; of `/dev/fd/63`, a shell's pipe, only the link can be opened.
        self._final = Path(os.path.realpath(path)) if self.is_regular else path
        self.written = self.beside("new") if self.is_regular else self._final

    def beside(self, purpose: str) -> Path:
        """Return a name in the same folder that nobody has, for what is gone at the end."""
        return self._final.with_name(f".dedupaudit-{secrets.token_hex(6)}.{purpose}")

    def discard(self) -> None:
        """Leave what was there before as it is."""
        self.discarded = True

    def __enter__(self) -> Self:
        """Open the file."""
        if self.is_regular:
            # At the latest when the process ends: a signal may come before the block begins.
            self._remove = weakref.finalize(self, self.written.unlink, missing_ok=True)
        with explained(self.path):
            self.stream = open(self.written, "xb" if self.is_regular else "wb")  # noqa: SIM115 (closed in __exit__)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Put the file in its place, or leave no trace of it."""
        with held():
            try:
                if error is None and not self.discarded:
                    with explained(self.path):
                        self._commit()
            finally:
                with suppress(OSError):
                    self.stream.close()
                if self.is_regular:
                    with suppress(OSError):
                        self._remove()

    def _commit(self) -> None:
        self.stream.close()
        if not self.is_regular:
            return
        descriptor = os.open(self.written, os.O_RDONLY)
        try:
            if self._before is not None:
                with suppress(OSError):  # only root may give files away
                    os.chown(descriptor, self._before.st_uid, self._before.st_gid)
                os.chmod(descriptor, stat.S_IMODE(self._before.st_mode) & 0o777)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self.written, self._final)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into an error that names the file and what to do next.

    A closed pipe stays one: main ends silently on it.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise explanation(path, error) from error
    except ValueError as error:
        if "null" not in str(error):  # what Python says of NUL in a name; any other is a defect and must look like one
            raise
        raise UsageError(f"{visible(str(path))} is not a possible file name", "name another one") from error


def explanation(path: Path, error: OSError) -> AuditError:
    """Return what an OSError means for the person who named the file."""
    shown, code = visible(str(path)), error.errno or 0
    reason = visible(error.strerror or type(error).__name__)
    if code in _FULL:
        return OutputError(f"{shown} could not be written in full: {reason}", _FULL[code])
    hint = _MISPLACED.get(code, "name a file in a folder that you may write to")
    return UsageError(f"cannot write {shown}: {reason}", hint)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
