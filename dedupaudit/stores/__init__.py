"""The stores of objects that can be written, by the scheme of their URL. A next one is one more line.

Audits never import this: what reads is in sources/objects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dedupaudit.interrupt import Interrupt
    from dedupaudit.sources.objects.protocol import Asking
    from dedupaudit.stores.protocol import ObjectStore

# Modules are named, not imported: oss2 is paid for by those who use it.
STORES = {
    "oss": ("dedupaudit.stores.oss", "OssStore"),
    "file": ("dedupaudit.stores.local", "LocalStore"),
}


def open_store(
    url: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    interrupt: Interrupt | None = None,
    asking: Asking | None = None,
) -> ObjectStore:
    """Open the store that a URL names: oss://bucket or file:///dir; nothing is asked yet. Raises UsageError."""
    from dedupaudit.errors import UsageError
    from dedupaudit.interrupt import Interrupt

    scheme = url.partition(":")[0]
    if scheme not in STORES:
        raise UsageError("this is no store of objects", "name one: oss://bucket or file:///dir")
    module, name = STORES[scheme]
    opened = getattr(import_module(module), name)(url, endpoint, region, interrupt or Interrupt(), asking)
    return cast("ObjectStore", opened)
