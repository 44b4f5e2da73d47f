"""A local folder as a store: a file appears under its key whole and on disk, or not at all.

What is being written has no name yet (O_TMPFILE), or one below `_dedupaudit/`, which the crosscheck passes over; a
hard link gives it its key, and fails where that is taken. Folders are no objects: made as needed, gone when empty.
"""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.local import LocalSource, path_of_key
from dedupaudit.sources.objects.protocol import Asking, ObjectFact
from dedupaudit.stores.proving import prove

_DRAFTS = b"_dedupaudit"
_ATTEMPTS = 50
"""How often a folder may be gone again before it is used, because somebody deleted the last object in it."""
_PIECE = 1 << 20
_LONGEST_NAME = 255
"""Bytes. Some file systems take fewer, and say so when a file is written."""
_LAST = "\udcff" * 256
"""Behind a prefix, no key comes after this one: it is longer than a name can be, and of the last byte."""
_OPENED = "/proc/self/fd"
# What file systems without O_TMPFILE say of it: NFS, some overlays.
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)
_IMPOSSIBLE = (errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ)


class LocalStore:
    """An ObjectStore; see protocol.py. `endpoint` and `region` mean nothing here."""

    def __init__(
        self,
        url: str,
        endpoint: str | None = None,
        region: str | None = None,
        interrupt: Interrupt | None = None,
        asking: Asking | None = None,
    ) -> None:
        self._source = LocalSource(url, endpoint, region, interrupt, asking)
        self._root = self._source.folder
        self.shown = self._source.shown

    def preflight(self, prefix: str = "") -> None:
        self._source.preflight()
        prove(self, prefix)

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        folder, name = self._place(key)
        try:
            for _ in range(_ATTEMPTS):
                try:
                    return self._publish(folder, name, content, overwrite)
                except FileNotFoundError:
                    with suppress(FileNotFoundError):
                        self._make(folder)
        except OSError as error:
            _tidy(folder, self._root)
            raise self._failed(key, "write", error) from None
        raise SourceError(f"the folder of {visible(key)} in {self.shown} vanishes again and again", "find out who does")

    def holds(self, key: str, content: bytes) -> bool | None:
        found = self.look(key)
        if found is None or found.size != len(content):
            return None if found is None else False
        left = memoryview(content)
        try:
            with open(os.path.join(*self._place(key)), "rb") as file:
                while piece := file.read(_PIECE):
                    if piece != left[: len(piece)]:
                        return False
                    left = left[len(piece) :]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(key, "read", error) from None
        return not left

    def look(self, key: str) -> ObjectFact | None:
        return self._source.look(key)

    def below(self, prefix: str) -> Iterable[list[ObjectFact]]:
        return self._source.again(prefix, prefix + _LAST)

    def delete(self, keys: Iterable[str]) -> int:
        self._source.preflight()  # a folder that is gone, an unmounted disk, is no success
        asked = 0
        for key in keys:
            asked += 1
            folder, name = self._place(key)
            path = os.path.join(folder, name)
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in _IMPOSSIBLE or os.path.isdir(path):
                    continue  # there is no object of this key
                raise self._failed(key, "delete", error) from None
            _tidy(folder, self._root)
        return asked

    def url(self, key: str) -> str:
        """Return the key as the path that a web server before the folder would have: `/screenshots/…`."""
        self._place(key)
        return "/" + quote(key, errors="surrogateescape")

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _place(self, key: str) -> tuple[bytes, bytes]:
        """Return the real folder of a key, and its name in there."""
        raw = path_of_key(key)
        if raw is None or any(len(part) > _LONGEST_NAME for part in raw.split(b"/")):
            raise self._impossible(key)
        above, _, name = raw.rpartition(b"/")
        folder = os.path.realpath(os.path.join(self._root, above))
        if folder != self._root and not folder.startswith(self._root.rstrip(b"/") + b"/"):
            raise SourceError(
                f"the folder of {visible(key)} in {self.shown} is a link that leads out of it, and is not followed",
                "put a folder in the link's place",
            )
        return folder, name

    def _publish(self, folder: bytes, name: bytes, content: bytes, overwrite: bool) -> bool:
        """Write the file and give it its name; FileNotFoundError where there is no such folder (any more)."""
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # A rename replaces what is there, a link never does; a file without a name cannot be renamed.
            with self._draft(content, named=overwrite) as draft:
                if overwrite:
                    os.replace(draft, name, dst_dir_fd=opened)
                else:
                    os.link(draft, name, dst_dir_fd=opened)
            os.fsync(opened)
        except FileExistsError:
            if os.path.isdir(os.path.join(folder, name)):
                raise
            # Who gave it that name may have died before the name was on disk, and what is told of it will be relied on.
            os.fsync(opened)
            return False
        finally:
            os.close(opened)
        return True

    @contextmanager
    def _draft(self, content: bytes, named: bool) -> Iterator[bytes]:
        """Give the path of a new file of this content, which is on disk; without a name where that can be."""
        # In the store's own folder: in one that somebody takes away meanwhile, ext4 says that it is not permitted.
        unnamed = None if named else _open_unnamed(self._root)
        if unnamed is not None:
            with os.fdopen(unnamed, "wb", 0) as file:
                _write(file.fileno(), content)
                yield os.fsencode(f"{_OPENED}/{unnamed}")
            return
        drafts = os.path.join(self._root, _DRAFTS)
        path = os.path.join(drafts, uuid.uuid4().hex.encode())
        with suppress(FileExistsError):
            os.mkdir(drafts)
        try:
            with open(path, "xb", 0) as file:
                _write(file.fileno(), content)
            yield path
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)
            _tidy(drafts, self._root)

    def _make(self, folder: bytes) -> None:
        """Make a folder and those above it, which others may be making or taking away; never the store's own."""
        self._source.preflight()
        at = self._root
        for part in os.path.relpath(folder, self._root).split(b"/"):
            above, at = at, os.path.join(at, part)
            with suppress(FileExistsError):
                os.mkdir(at)
                _sync(above)

    def _impossible(self, key: str) -> UsageError:
        return UsageError(
            f"{self.shown} cannot have an object of the key {visible(key)}",
            "a file's key has no empty part, no `.`, `..` or NUL, no name over 255 bytes, and is neither a folder's nor"
            " below another file's",
        )

    def _failed(self, key: str, verb: str, error: OSError) -> SourceError | UsageError:
        if error.errno in _IMPOSSIBLE:
            return self._impossible(key)
        return SourceError(
            f"cannot {verb} {visible(key)} in {self.shown}: {error.strerror}",
            "see that the disk has room, that the folder is of one file system with hard links, and that this user may"
            " write in it",
        )


def _open_unnamed(folder: bytes) -> int | None:
    """Open a file that has no name and vanishes with its process; None where the system has no such files."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir(_OPENED):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        if error.errno in _NO_TMPFILE:
            return None
        raise


def _write(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)


def _sync(folder: bytes) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _tidy(folder: bytes, root: bytes) -> None:
    """Take away a folder that is empty, and those above it that are empty then."""
    while folder != root:
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
