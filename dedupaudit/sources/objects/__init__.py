"""The stores of objects that can be read, by the scheme of their URL. A next one is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dedupaudit.config import ObjectsSettings
    from dedupaudit.interrupt import Interrupt
    from dedupaudit.sources.objects.protocol import Asking, ObjectSource

# Modules are named, not imported: oss2 is paid for by those who use it.
SOURCES = {
    "oss": ("dedupaudit.sources.objects.oss", "OssSource"),
    "file": ("dedupaudit.sources.objects.local", "LocalSource"),
}


def open_objects(settings: ObjectsSettings, interrupt: Interrupt, asking: Asking | None = None) -> ObjectSource:
    """Open the store that the settings name; nothing is asked yet. Raises UsageError, SourceError."""
    from dedupaudit.errors import UsageError

    if settings.url is None:
        raise UsageError(
            "no object store is configured", "name one by --objects URL: oss://bucket/prefix/ or file:///dir"
        )
    scheme = settings.url.partition(":")[0]
    module, name = SOURCES[scheme]
    opened = getattr(import_module(module), name)(settings.url, settings.endpoint, settings.region, interrupt, asking)
    return cast("ObjectSource", opened)
