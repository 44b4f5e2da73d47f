"""What a store of objects must be able to do for those who write. A next store implements this in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from dedupaudit.sources.objects.protocol import ObjectFact


class ObjectStore(Protocol):
    """A bucket, or a folder. Keys are whole, from the bucket's root. Used by several threads at once.

    Every method raises SourceError where the store fails or refuses, and UsageError for a key that it cannot have.
    """

    shown: str
    """How messages name it; no secret is in it."""

    def preflight(self, prefix: str = "") -> None:
        """Prove by as few requests as it takes that objects below the prefix can be written, read and deleted."""

    def put(
        self, key: str, content: bytes, *, content_type: str = "application/octet-stream", overwrite: bool = False
    ) -> bool:
        """Write one object whole, or not at all. False: one of this key is there, and `overwrite` is not set.

        That look and the write are one step of the store's (OSS: x-oss-forbid-overwrite; a folder: a hard link).
        """

    def holds(self, key: str, content: bytes) -> bool | None:
        """Say whether the object has this very content; None: it is not there."""

    def look(self, key: str) -> ObjectFact | None:
        """Look at one object now; None only where it is certainly not there."""

    def below(self, prefix: str) -> Iterable[list[ObjectFact]]:
        """Yield the objects below a prefix, page by page."""

    def delete(self, keys: Iterable[str]) -> int:
        """Delete objects, and return how many keys were asked for; one that is not there is no error."""

    def url(self, key: str) -> str:
        """Return the address of an object, as a row has it."""

    def close(self) -> None:
        """End the connections."""
