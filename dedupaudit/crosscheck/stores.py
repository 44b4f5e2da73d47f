"""Where the objects are read from: a listing, a folder or an inventory, and what can be looked at again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dedupaudit.config import ObjectsSettings, Settings
from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import ObjectRequests, Strategy
from dedupaudit.progress import Progress
from dedupaudit.snapshot.crossing import Crossing, object_lines
from dedupaudit.sources.objects import open_objects
from dedupaudit.sources.objects.protocol import Asking, ObjectSource, Requests
from dedupaudit.times import iso
from dedupaudit.units import show_duration

if TYPE_CHECKING:
    from dedupaudit.sources.objects.inventory import Inventory

OWN = "_dedupaudit/"
"""Where this tool puts objects: no audit is about them."""
_PAGE = 1000
_WORTH_SPLITTING = 50_000


@dataclass
class Store:
    """The objects of one crosscheck. `live` is what can be looked at now: None where only an inventory is there."""

    shown: str
    strategy: Strategy
    live: ObjectSource | None
    bucket: str | None
    prefix: str
    threads: int
    inventory: Inventory | None = None
    latency: float = 0.0
    failure: SourceError | None = None
    """Why the inventory could not be opened. Told by `preflight`: tables are resolved all the same, and reported."""

    @property
    def as_of(self) -> int | None:
        """When the inventory began, in microseconds since the epoch: what was written later may be missing in it."""
        return self.inventory.created if self.inventory else None

    def preflight(self) -> None:
        """Prove that the store can be read, before any row is judged; raises SourceError."""
        if self.failure is not None:
            raise self.failure
        if self.live is not None:
            began = time.monotonic()
            self.live.preflight()
            self.latency = time.monotonic() - began

    def announcement(self, rows: int | None) -> str | None:
        """Say what reading will cost: requests by kind, their price class, and the time; None where that is nothing."""
        heads = "then at most one HEAD for each suspect (billed like GET)" if self.live else "and nothing is looked at"
        if self.inventory is not None:
            when = iso(self.inventory.created)
            return f"{self.shown}: the inventory of {when} in place of a listing, {heads}"
        if self.strategy != "listing":
            return None  # a folder on this machine costs no requests
        if rows is None:
            return f"{self.shown}: a LIST for each 1,000 objects (billed like PUT), {heads}"
        pages = rows // _PAGE + 2
        side_by_side = self.threads if rows >= _WORTH_SPLITTING else 1
        takes = show_duration(max(1.0, float(round(pages * self.latency / side_by_side))))
        return f"{self.shown}: about {pages:,} LIST (billed like PUT), {heads}; about {takes} for the listing"

    def load(self, crossing: Crossing, progress: Progress) -> None:
        """Read all objects into the columns; raises SourceError where one may have been left out."""
        if self.inventory is not None:
            self._load_inventory(self.inventory, crossing, progress)
            return
        assert self.live is not None  # noqa: S101 (without an inventory there is a store)
        splits: Sequence[str] = ()
        rows = crossing.naming()
        if self.strategy == "listing" and self.threads > 1 and rows >= _WORTH_SPLITTING:
            splits = [key for key in crossing.splits(self.threads * 4) if key.startswith(self.prefix)]
        progress.start(f"{visible(self.shown)}: objects", rows or None, "objects")
        try:
            with crossing.objects("first") as intake:
                seen = 0
                for page in self.live.pages(splits):
                    seen += len(page)
                    intake.write(object_lines(fact for fact in page if not fact.key.startswith(OWN)))
                    progress.advance_to(seen)
        finally:
            progress.finish()

    def _load_inventory(self, inventory: Inventory, crossing: Crossing, progress: Progress) -> None:
        from dedupaudit.crosscheck.inventory_lines import fragments

        progress.start(f"{visible(self.shown)}: inventory", None)
        try:
            for path in inventory.paths():
                crossing.inventory(path, fragments(inventory.columns, self.prefix, OWN), visible(str(path), 300))
        finally:
            progress.finish()
        twice = crossing.twice()
        if twice is not None:
            raise SourceError(
                f"the inventory {inventory.shown} has {visible(twice)} more than once: it lists earlier versions",
                "add IsLatest to the inventory's fields, or have it list current versions only",
            )

    @property
    def requests(self) -> ObjectRequests:
        """The requests that were sent."""
        sent = [one.requests for one in (self.live, self.inventory) if one is not None]
        unique: dict[int, Requests] = {id(one): one for one in sent}
        return ObjectRequests(
            list=sum(one.list for one in unique.values()),
            head=sum(one.head for one in unique.values()),
            other=sum(one.other for one in unique.values()),
        )

    def close(self) -> None:
        """End the connections, and drop what was fetched."""
        if self.inventory is not None:
            self.inventory.close()
        if self.live is not None:
            self.live.close()


def open_store(settings: Settings, interrupt: Interrupt) -> Store:
    """Open what the settings name; nothing is listed yet.

    Raises UsageError. What is wrong with an inventory is the store's `failure`.
    """
    objects = settings.objects or ObjectsSettings()
    if objects.url is None and objects.inventory is None:
        raise UsageError(
            "no object store is configured",
            "name one by --objects URL (oss://bucket/prefix/ or file:///dir), by --inventory manifest.json, "
            "or by `url` under [objects] in dedupaudit.toml",
        )
    asking = Asking(objects.credentials, objects.signature, objects.qps, objects.threads)
    live = open_objects(objects, interrupt, asking) if objects.url else None
    try:
        bucket, prefix = bucket_and_prefix(objects.url)
        if objects.inventory is None:
            assert live is not None  # noqa: S101 (one of the two is there)
            strategy: Strategy = "listing" if bucket else "file"
            return Store(live.shown, strategy, live, bucket, prefix, objects.threads)
        try:
            inventory = _open_inventory(objects, objects.inventory, interrupt, asking)
        except SourceError as error:
            shown = live.shown if live else visible(objects.inventory, 1000)
            return Store(shown, "inventory", live, bucket, prefix, objects.threads, failure=error)
        if bucket not in (None, inventory.bucket):
            raise UsageError(
                f"the inventory is of bucket {visible(inventory.bucket)}, and --objects names {visible(bucket)}",
                "name the bucket that the inventory was taken of",
            )
        shown = live.shown if live else f"oss://{visible(inventory.bucket)}/"
        return Store(shown, "inventory", live, inventory.bucket, prefix, objects.threads, inventory)
    except BaseException:
        if live is not None:
            live.close()
        raise


def bucket_and_prefix(url: str | None) -> tuple[str | None, str]:
    """Return what an `oss://` URL names; no bucket for any other."""
    if url is None or not url.startswith("oss://"):
        return None, ""
    bucket, _, prefix = url.removeprefix("oss://").partition("/")
    return bucket, prefix


def _open_inventory(objects: ObjectsSettings, place: str, interrupt: Interrupt, asking: Asking) -> Inventory:
    from dedupaudit.sources.objects import inventory

    if not place.startswith("oss://"):
        if not Path(place).is_file():
            raise UsageError(
                f"there is no inventory {visible(place, 1000)}", "name its manifest.json: --inventory FILE"
            )
        return inventory.open_local(place)
    from dedupaudit.sources.objects.oss import OssSource

    bucket, key = bucket_and_prefix(place)
    source = OssSource(f"oss://{bucket}/", objects.endpoint, objects.region, interrupt, asking)
    close: Callable[[], None] = source.close
    try:
        return inventory.open_remote(source.connection, key, visible(place, 1000))
    except BaseException:
        close()
        raise
