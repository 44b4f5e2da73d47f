"""What a bucket of the fake OSS holds: sorted keys, and for each a stored object or a function that makes one.

So a million objects cost a million strings. Every method may be called from any thread, a hook's too.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple


class StoredObject(NamedTuple):
    """One object. `modified` in seconds since the epoch; without `content`, GET gives `size` zero bytes."""

    size: int
    etag: str
    modified: int
    kind: str = "Normal"
    storage_class: str = "Standard"
    content: bytes | None = None
    headers: Mapping[str, str] = {}

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, not including, `end`."""
        return bytes(end - start) if self.content is None else self.content[start:end]


def stored(content: bytes, modified: int | None = None, headers: Mapping[str, str] | None = None) -> StoredObject:
    """Make a Normal object; its ETag is the MD5 of its content, in upper case."""
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest().upper()
    at = int(time.time()) if modified is None else modified
    return StoredObject(len(content), etag, at, content=content, headers=headers or {})


def described(key: str) -> StoredObject:
    """Make the object of a key that nobody stored: its content is its name, written on 1 January 2026."""
    return stored(key.encode(), 1767225600)


class Part(NamedTuple):
    """One part of an upload; without `content`, `size` zero bytes."""

    etag: str
    size: int
    modified: int
    content: bytes | None = None


class Upload(NamedTuple):
    """A multipart upload that was begun; `initiated` in seconds since the epoch. Its parts come later."""

    key: str
    upload_id: str
    initiated: int
    parts: dict[int, Part]
    headers: Mapping[str, str] = {}


class Bucket:
    """A bucket. `keys` is in the order of UTF-8 bytes, which is the order of code points, Python's own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.created = int(time.time())
        self.moved_to = ""  # the endpoint that is the right one for this bucket, where it is not this server
        self.lock = threading.RLock()
        self.keys: list[str] = []
        self.changes = 0
        self.uploads: dict[str, Upload] = {}
        self._stored: dict[str, StoredObject] = {}
        self._describe: Callable[[str], StoredObject] = described
        self._ids = itertools.count(1)

    def fill(self, keys: Iterable[str], describe: Callable[[str], StoredObject] = described) -> None:
        """Make the bucket hold exactly these keys; `describe` tells the object of each, the same every time."""
        ordered = sorted(set(keys))
        with self.lock:
            self.keys, self._describe = ordered, describe
            self._stored.clear()
            self.changes += 1

    def put(self, key: str, content: bytes | StoredObject = b"", modified: int | None = None) -> StoredObject:
        """Store an object, without a request."""
        made = content if isinstance(content, StoredObject) else stored(content, modified)
        with self.lock:
            place = bisect_left(self.keys, key)
            if place == len(self.keys) or self.keys[place] != key:
                self.keys.insert(place, key)
            self._stored[key] = made
            self.changes += 1
        return made

    def remove(self, key: str) -> bool:
        """Remove an object, without a request; says whether there was one."""
        with self.lock:
            place = bisect_left(self.keys, key)
            if place == len(self.keys) or self.keys[place] != key:
                return False
            del self.keys[place]
            self._stored.pop(key, None)
            self.changes += 1
            return True

    def find(self, key: str) -> StoredObject | None:
        """Return the object of a key, None where there is none."""
        with self.lock:
            place = bisect_left(self.keys, key)
            return self.get(key) if place < len(self.keys) and self.keys[place] == key else None

    def get(self, key: str) -> StoredObject:
        """Return the object of a key that is known to exist."""
        return self._stored.get(key) or self._describe(key)

    def range(self, prefix: str, after: str | None) -> tuple[int, int]:
        """Return where the keys with a prefix and beyond `after` begin and end in `keys`."""
        start = bisect_left(self.keys, prefix)
        end = self.past(prefix, start)
        if after is not None:
            start = min(max(start, bisect_right(self.keys, after)), end)
        return start, end

    def past(self, prefix: str, start: int) -> int:
        """Return where the keys with a prefix end; `keys[start:]` begins with them or with later ones."""
        return bisect_left(self.keys, True, start, key=lambda key: not key.startswith(prefix))

    def begin_upload(self, key: str, initiated: int | None = None, headers: Mapping[str, str] | None = None) -> Upload:
        """Begin a multipart upload, without a request."""
        with self.lock:
            number = next(self._ids)
            upload_id = hashlib.md5(f"{key}\n{number}".encode(), usedforsecurity=False).hexdigest().upper()
            at = int(time.time()) if initiated is None else initiated
            upload = self.uploads[upload_id] = Upload(key, upload_id, at, {}, headers or {})
        return upload

    def leave_upload(self, key: str, sizes: Sequence[int] = (), initiated: int | None = None) -> Upload:
        """Leave an interrupted upload behind with parts of these sizes."""
        upload = self.begin_upload(key, initiated)
        for number, size in enumerate(sizes, 1):
            etag = hashlib.md5(bytes(size), usedforsecurity=False).hexdigest().upper()
            upload.parts[number] = Part(etag, size, upload.initiated)
        return upload
