"""Where a drill's objects and locks are: below a prefix, or in a folder, of its own, and how they are taken away."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dedupaudit.config import ObjectsSettings
from dedupaudit.display import visible
from dedupaudit.drill.redis_url import shown_redis
from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.redact import scrub
from dedupaudit.sources.objects.protocol import Asking, Patience

if TYPE_CHECKING:
    from dedupaudit.stores.protocol import ObjectStore

_PATIENCE = Patience(attempts=3)
_REDIS_SECONDS = 5.0
_AT_ONCE = 1000


def open_store(objects: ObjectsSettings, interrupt: Interrupt | None = None) -> ObjectStore:
    """Open the store that the settings name; nothing is asked yet. Raises UsageError."""
    from dedupaudit import stores

    asking = Asking(objects.credentials, objects.signature, objects.qps, objects.threads, _PATIENCE)
    return stores.open_store(
        objects.url or "", endpoint=objects.endpoint, region=objects.region, interrupt=interrupt, asking=asking
    )


def open_redis(url: str) -> Any:
    """Return a client of Redis; nothing is asked yet."""
    from dedupaudit.ingest.protections.redis_lock import connect

    return connect(url, timeout=_REDIS_SECONDS)


@dataclass(frozen=True)
class Objects:
    """A part of a store that is the drill's alone. `settings` are what an audit of that part opens."""

    settings: ObjectsSettings
    prefix: str
    """What each key begins with."""
    shown: str
    store: ObjectStore

    def remove(self) -> None:
        """Delete what is below the prefix; raises SourceError."""
        remove_below(self.store, self.prefix)


def remove_below(store: ObjectStore, prefix: str) -> None:
    """Delete all objects below a prefix; raises SourceError."""
    for page in store.below(prefix):
        store.delete(fact.key for fact in page)


@contextmanager
def objects_of(settings: ObjectsSettings | None, name: str, interrupt: Interrupt) -> Iterator[Objects]:
    """Give the drill `name` its part of a store: of a folder a folder of its own, for the block.

    Without settings that is a temporary folder. Raises SourceError where the store cannot be reached, or refuses.
    """
    url = settings.url if settings else None
    if url is not None and url.startswith("oss://"):
        assert settings is not None  # noqa: S101 (its URL was read)
        below, prefix = part_of_bucket(settings, name)
        _try(below, prefix, interrupt)
        with closing(open_store(below)) as store:
            yield Objects(_for_audit(below), prefix, visible(below.url, 1000), store)
        return
    with _folder(settings, name) as folder:
        own = ObjectsSettings(url=folder.as_uri())
        _try(own, "", interrupt)
        with closing(open_store(own)) as store:
            yield Objects(_for_audit(own), "", store.shown if url else "a temporary folder", store)


def _try(settings: ObjectsSettings, prefix: str, interrupt: Interrupt) -> None:
    """Look whether the store takes objects. What comes later is short, and the removal is not to be interrupted."""
    with closing(open_store(settings, interrupt)) as store:
        store.preflight(prefix)


def part_of_bucket(settings: ObjectsSettings, name: str) -> tuple[ObjectsSettings, str]:
    """Return the part of a bucket that the drill `name` has, and what its keys begin with."""
    bucket, _, prefix = (settings.url or "").removeprefix("oss://").partition("/")
    prefix += f"{_own(name)}/"
    return settings.model_copy(update={"url": f"oss://{bucket}/{prefix}"}), prefix


def folder_of(settings: ObjectsSettings | None, name: str) -> Path:
    """Return the folder that the drill `name` has: below the one that is named, or a temporary one."""
    if settings is None or settings.url is None:
        return Path(tempfile.gettempdir(), _own(name))
    from dedupaudit.sources.objects.local import LocalSource

    return Path(os.fsdecode(LocalSource(settings.url).folder), _own(name))


def _own(name: str) -> str:
    """Return a drill's name as its objects have it: by it they are found when the drill was killed."""
    return name.replace("_", "-")


@contextmanager
def _folder(settings: ObjectsSettings | None, name: str) -> Iterator[Path]:
    folder = folder_of(settings, name)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise SourceError(
            f"no folder can be made in {visible(str(folder.parent))}: {error.strerror}",
            "name a folder that this user can write in: --objects file:///FOLDER",
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _for_audit(settings: ObjectsSettings) -> ObjectsSettings:
    """Return the settings of a crosscheck that excuses nothing."""
    plain = {"grace": 0.0, "max_missing": 1.0, "template": None, "protect": (), "also_referenced": ()}
    return settings.model_copy(update={**plain, "inventory": None, "thresholds": {}})


@dataclass(frozen=True)
class Locks:
    """Keys of a Redis that are the drill's alone."""

    url: str
    prefix: str
    client: Any

    @property
    def shown(self) -> str:
        """How messages name it."""
        return visible(shown_redis(self.url), 300)

    def answers(self) -> None:
        """Raise SourceError where Redis does not answer."""
        with self._explained():
            self.client.ping()

    def look(self) -> None:
        """Raise SourceError where Redis is gone, or refuses what locks need: its writers would go on without them."""
        name = f"{self.prefix}look"
        with self._explained():
            self.client.scan(match=name)
            self.client.set(name, "", nx=True, px=1000)
            self.client.register_script("return redis.call('DEL', KEYS[1])")(keys=[name])

    def remove(self) -> None:
        """Delete the keys; raises SourceError."""
        with self._explained():
            keys = iter(self.client.scan_iter(match=f"{self.prefix}*", count=_AT_ONCE))
            while some := list(islice(keys, _AT_ONCE)):
                self.client.delete(*some)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from redis import RedisError, ResponseError

        try:
            yield
        except ResponseError as error:
            raise SourceError(
                f"Redis at {self.shown} refuses what a lock needs: {visible(scrub(str(error)), 300)}",
                "is it a replica, or its memory full? The login needs SET, DEL, SCAN and EVALSHA for"
                " dedupaudit_drill_*",
            ) from None
        except (RedisError, OSError) as error:
            raise SourceError(
                f"Redis at {self.shown} does not answer: {visible(scrub(str(error)), 300)}",
                "is it up, and is the URL right?",
            ) from None


@contextmanager
def locks_of(url: str | None, name: str) -> Iterator[Locks | None]:
    """Give the drill `name` its keys of a Redis for the block; raises SourceError where it does not answer."""
    if url is None:
        yield None
        return
    locks = Locks(url, f"{name}:", open_redis(url))
    try:
        locks.answers()
        yield locks
    finally:
        locks.client.close()
