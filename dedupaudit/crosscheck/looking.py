"""The second look at objects: one HEAD for each key, or the listing of their range again where that is cheaper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from dedupaudit.errors import SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.protocol import ObjectFact, ObjectSource
from dedupaudit.sources.objects.side_by_side import side_by_side

_PAGE = 1000
_PAGE_IN_HEADS = 20
"""A page of a listing costs about as much as so many HEADs, in time and in money."""
_WORTH_LISTING = 64
_SAMPLE = 8
_FORBIDDEN = 403
_GIVE_UP = 5
"""So many failures one after the other, and no key was answered between them: the store does not answer any more."""


class Looked(NamedTuple):
    """What became of one key: the object, None where it is not there, or why that cannot be said."""

    key: str
    object: ObjectFact | None
    unseen: str | None = None


class Looker:
    """Looks at keys of one store."""

    def __init__(self, store: ObjectSource, interrupt: Interrupt, threads: int, listed: bool) -> None:
        """Take a store; `listed` says that it lists ranges at a price that can be compared with a HEAD."""
        self._store = store
        self._interrupt = interrupt
        self._threads = threads
        self._listed = listed
        self._refused = False
        self._failures = 0
        self._given_up: str | None = None

    def look(self, keys: Sequence[str], between: Callable[[str, str], int]) -> Iterator[Looked]:
        """Yield what became of each of these keys; `between` says about how many objects lie in a range."""
        keys = sorted(keys)
        if self._listed and len(keys) >= _WORTH_LISTING:
            pages = between(keys[0], keys[-1]) // _PAGE + 1
            if pages * _PAGE_IN_HEADS <= len(keys):
                looked = self._list_again(keys)
                if looked is not None:
                    absent = [one.key for one in looked if one.object is None]
                    yield from (one for one in looked if one.object is not None)
                    sample = {key: self._look(key) for key in _sample(absent)}
                    # A listing that loses objects may lose them every time; a look at one of them tells.
                    lost = any(one.object is not None for one in sample.values())
                    yield from (sample.values() if lost else (Looked(key, None) for key in absent))
                    keys = [key for key in absent if key not in sample] if lost else []
                if not keys:
                    return
        if self._threads == 1:
            yield from map(self._look, keys)
            return
        jobs = [partial(map, self._look, keys[first :: self._threads]) for first in range(self._threads)]
        yield from side_by_side(jobs, self._threads, self._interrupt)

    def _list_again(self, keys: Sequence[str]) -> list[Looked] | None:
        """List the range again; None where that fails: each key may be looked at all the same."""
        wanted = dict.fromkeys(keys)
        found: dict[str, ObjectFact] = {}
        try:
            for page in self._store.again(keys[0], keys[-1]):
                found.update((fact.key, fact) for fact in page if fact.key in wanted)
        except SourceError:
            return None
        return [Looked(key, found.get(key)) for key in keys]

    def _look(self, key: str) -> Looked:
        self._interrupt.check()
        if self._given_up is not None:
            return Looked(key, None, self._given_up)
        # Another thread may learn meanwhile that looks are refused.
        refused = self._refused
        try:
            found = self._store.look(key) if not refused else self._list_one(key)
        except SourceError as error:
            if getattr(error, "status", None) == _FORBIDDEN and not refused:
                # Who may list may not read: a listing that begins at the key says as much.
                self._refused = True
                return self._look(key)
            self._failures += 1
            if self._failures >= _GIVE_UP:
                self._given_up = error.message
            return Looked(key, None, error.message)
        self._failures = 0
        return Looked(key, found)

    def _list_one(self, key: str) -> ObjectFact | None:
        return next((fact for page in self._store.again(key, key) for fact in page if fact.key == key), None)


def _sample(keys: Sequence[str]) -> list[str]:
    """Return a few of the keys from everywhere, the first and the last among them."""
    if len(keys) <= _SAMPLE:
        return list(keys)
    return [keys[at * (len(keys) - 1) // (_SAMPLE - 1)] for at in range(_SAMPLE)]
