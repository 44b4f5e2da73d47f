"""A local folder as a store of objects: a file's key is its path below the folder, byte for byte.

The walk is in the order of the keys and holds one folder's names at a time. Links are followed to files below the
folder and nowhere else; what cannot be read is an error, because files that were not seen would be called missing.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.protocol import Asking, Leftover, ObjectFact, Requests

_PAGE = 1000
_IMPOSSIBLE = (errno.ENAMETOOLONG, errno.ELOOP)
_Entry = tuple[bytes, "os.DirEntry[bytes]", bool]


class _Range(NamedTuple):
    """Keys as bytes, both ends included; no `last` is the end of all."""

    first: bytes
    last: bytes | None

    def has(self, key: bytes) -> bool:
        return self.first <= key and (self.last is None or key <= self.last)

    def meets(self, folder: bytes) -> bool:
        """Say whether keys that begin with this may be inside."""
        return (folder >= self.first or self.first.startswith(folder)) and (self.last is None or folder <= self.last)


_ALL = _Range(b"", None)


class LocalSource:
    """An ObjectSource; see protocol.py."""

    def __init__(
        self,
        url: str,
        endpoint: str | None = None,
        region: str | None = None,
        interrupt: Interrupt | None = None,
        asking: Asking | None = None,
    ) -> None:
        self._root = _path_of(url)
        self._real = os.path.realpath(self._root)
        self._interrupt = interrupt or Interrupt()
        self.shown = f"file://{visible(os.fsdecode(os.path.abspath(self._root)), 1000)}"
        self.folder = self._real
        """The folder's real path."""
        self.requests = Requests()
        self.skipped = 0
        """Sockets, devices, pipes, links to folders and links that lead out of the folder: no objects."""

    def preflight(self) -> None:
        try:
            if not stat.S_ISDIR(os.stat(self._root).st_mode):
                raise SourceError(f"{self.shown} is no folder", "name the folder that holds the objects: file:///DIR")
            with os.scandir(self._root):
                pass
        except FileNotFoundError:
            raise SourceError(f"there is no folder {self.shown}", "check the URL: file:///DIR") from None
        except (OSError, ValueError) as error:
            raise self._unreadable(b"", error) from None

    def pages(self, splits: Sequence[str] = ()) -> Iterator[list[ObjectFact]]:
        self.preflight()
        self.skipped = 0
        return self._pages(_ALL)

    def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
        return self._pages(_Range(_raw(first), _raw(last)))

    def look(self, key: str) -> ObjectFact | None:
        raw = path_of_key(key)
        if raw is None:
            return None
        path = os.path.join(self._root, raw)
        try:
            if not self._is_below(os.path.realpath(path, strict=True)):
                raise SourceError(
                    f"{visible(key)} in {self.shown} is a link that leads out of it, and is not followed",
                    "whether it counts as an object cannot be said: put the file itself there",
                )
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            self.preflight()  # the whole folder may be gone: an unmounted disk
            return None
        except OSError as error:
            if error.errno in _IMPOSSIBLE:
                return None
            raise self._unreadable(raw, error) from None
        return _fact(raw, status) if stat.S_ISREG(status.st_mode) else None

    def leftovers(self) -> Iterator[Leftover]:
        return iter(())

    def close(self) -> None:
        """Nothing is open between two looks."""

    def _pages(self, keys: _Range) -> Iterator[list[ObjectFact]]:
        page: list[ObjectFact] = []
        for fact in self._walk(keys):
            page.append(fact)
            if len(page) == _PAGE:
                self._interrupt.check()
                yield page
                page = []
        if page:
            yield page

    def _walk(self, keys: _Range) -> Iterator[ObjectFact]:
        # A stack of its own: folders may lie deeper than Python calls.
        stack = [iter(self._folder(b""))]
        folders = [b""]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
                folders.pop()
                continue
            name, found, is_folder = entry
            key = folders[-1] + name
            if is_folder:
                if keys.meets(key):
                    self._interrupt.check()
                    folders.append(key)
                    stack.append(iter(self._folder(key)))
            elif keys.has(key):
                status = self._status(key, found)
                if status is not None:
                    yield _fact(key, status)

    def _folder(self, key: bytes) -> list[_Entry]:
        """Return the entries of a folder in the order of the keys below it: `a-b` comes before `a/b`."""
        try:
            with os.scandir(os.path.join(self._root, key)) as found:
                entries = [
                    (entry.name + b"/", entry, True)
                    if entry.is_dir(follow_symlinks=False)
                    else (entry.name, entry, False)
                    for entry in found
                ]
        except (FileNotFoundError, NotADirectoryError) as error:
            if not key:
                raise self._unreadable(key, error) from None
            return []  # removed while the walk was on its way to it
        except OSError as error:
            raise self._unreadable(key, error) from None
        entries.sort(key=lambda entry: entry[0])
        return entries

    def _status(self, key: bytes, entry: os.DirEntry[bytes]) -> os.stat_result | None:
        """Return what is known of a file; None for what is no object, or none any more."""
        try:
            if entry.is_symlink():
                if not self._is_below(os.path.realpath(entry.path, strict=True)):
                    self.skipped += 1
                    return None
                status = entry.stat()
            else:
                status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(key, error) from None
        if not stat.S_ISREG(status.st_mode):
            self.skipped += 1
            return None
        return status

    def _is_below(self, real: bytes) -> bool:
        return real.startswith(self._real.rstrip(b"/") + b"/")

    def _unreadable(self, key: bytes, error: Exception) -> SourceError:
        reason = error.strerror if isinstance(error, OSError) else "not a possible name"
        where = f"{visible(_text(key))} in {self.shown}" if key else self.shown
        return SourceError(
            f"cannot read {where}: {reason}", "let this user read all of the folder: what is not seen is not judged"
        )


def path_of_key(key: str) -> bytes | None:
    """Return the path of a key below the folder; None where a listing never has such a key, wherever it would lead."""
    try:
        raw = _raw(key)
    except UnicodeEncodeError:
        return None
    impossible = any(part in (b"", b".", b"..") or b"\0" in part for part in raw.split(b"/"))
    return None if impossible else raw


def _path_of(url: str) -> bytes:
    rest = url.removeprefix("file:")
    if rest == url or not rest:
        raise UsageError("this is no URL of a folder", "write file:///absolute/folder or file:relative/folder")
    if rest.startswith("//"):
        rest = rest[2:]
        if not rest.startswith("/"):
            raise UsageError("a folder's URL has no host", "write file:///absolute/folder, with three slashes")
    raw = rest.encode("utf-8", "surrogateescape")
    # A folder may have a % in its name; as it stands wins over as it would be decoded.
    if b"%" in raw and not os.path.exists(raw):
        with suppress(ValueError):
            raw = unquote_to_bytes(raw)
    if b"\0" in raw:
        raise UsageError("a folder's name has no NUL in it", "check the URL: file:///DIR")
    return raw


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _fact(key: bytes, status: os.stat_result) -> ObjectFact:
    return ObjectFact(_text(key), status.st_size, status.st_mtime_ns // 1000, None, False)
