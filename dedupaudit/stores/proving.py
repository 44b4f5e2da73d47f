"""Whether a store lets itself be written, asked by one tiny object: the preflight of every store."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from dedupaudit.errors import SourceError

if TYPE_CHECKING:
    from dedupaudit.stores.protocol import ObjectStore

_CONTENT = b"dedupaudit looks whether it may write here; this object is deleted at once\n"


def prove(store: ObjectStore, prefix: str) -> None:
    """Write, read and delete one object of a name that nobody else has; raises SourceError, UsageError."""
    key = f"{prefix}dedupaudit-preflight-{uuid.uuid4().hex}"
    store.put(key, _CONTENT, content_type="text/plain")
    try:
        held = store.holds(key, _CONTENT)
    except SourceError:
        with suppress(SourceError):  # the first failure is the one to tell
            store.delete([key])
        raise
    store.delete([key])
    if not held:
        raise SourceError(
            f"{store.shown} does not give back what was just written to it",
            "check what stands before it: a cache, a proxy, or another program that clears it",
        )
