"""A store of objects in memory, in place of a bucket: it tells what it is told to hold, and can be watched."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from dedupaudit.crosscheck import looking, second, stores
from dedupaudit.sources.objects.protocol import Leftover, ObjectFact, Requests

URL = "oss://pictures"


class StubObjects:
    """An ObjectSource over a mapping that may change between two calls; `before` is called before each."""

    shown = "oss://pictures/"

    def __init__(
        self, held: Mapping[str, ObjectFact], page: int = 3, before: Callable[[str], None] = lambda _kind: None
    ) -> None:
        self.held = held
        self.requests = Requests()
        self._page = page
        self._before = before

    def preflight(self) -> None:
        self.requests.list += 1
        self._before("preflight")

    def pages(self, splits: Sequence[str] = ()) -> Iterator[list[ObjectFact]]:
        return self._listed("page", "", None)

    def look(self, key: str) -> ObjectFact | None:
        self.requests.head += 1
        self._before("look")
        return self.held.get(key)

    def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
        return self._listed("again", first, last)

    def leftovers(self) -> Iterator[Leftover]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""

    def _listed(self, kind: str, first: str, last: str | None) -> Iterator[list[ObjectFact]]:
        """Yield page by page, each as the store is at that moment, in the order of OSS: that of code points."""
        after: str | None = None
        while True:
            self.requests.list += 1
            self._before(kind)
            keys = sorted(self.held)
            begin = bisect_left(keys, first) if after is None else bisect_right(keys, after)
            end = len(keys) if last is None else bisect_right(keys, last)
            page = keys[begin : min(end, begin + self._page)]
            if not page:
                return
            yield [self.held[key] for key in page]
            after = page[-1]


@contextmanager
def in_place_of_a_bucket(store: StubObjects, worth_listing: int | None = None) -> Iterator[pytest.MonkeyPatch]:
    """Have the product open this store; of so many suspects it lists their range again, and reads whole tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "open_objects", lambda *_arguments: store)
        if worth_listing is not None:
            patch.setattr(looking, "_WORTH_LISTING", worth_listing)
            patch.setattr(looking, "_PAGE_IN_HEADS", 1)
            patch.setattr(second, "SEEK_AT_MOST", worth_listing)
        yield patch
