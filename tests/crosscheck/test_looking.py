"""The second look at objects: when a HEAD, when a listing, and when the store is given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from dedupaudit.crosscheck.looking import Looker
from dedupaudit.errors import Cancelled, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.oss_errors import OssRefusal
from dedupaudit.sources.objects.protocol import Leftover, ObjectFact, Requests

KEYS = [f"pictures/{number:04}.jpg" for number in range(200)]


class Shelf:
    """A store that notes what it is asked, and fails as it is told."""

    shown = "oss://shelf/"

    def __init__(self, there: Sequence[str], *, looks: Exception | None = None, lists: Exception | None = None) -> None:
        self.requests = Requests()
        self.looked: list[str] = []
        self.listed: list[tuple[str, str]] = []
        self._there = sorted(there)
        self._looks, self._lists = looks, lists

    def look(self, key: str) -> ObjectFact | None:
        self.looked.append(key)
        if self._looks:
            raise self._looks
        return _fact(key) if key in self._there else None

    def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
        self.listed.append((first, last))
        if self._lists:
            raise self._lists
        yield [_fact(key) for key in self._there if first <= key <= last]

    def preflight(self) -> None:
        raise AssertionError

    def pages(self, splits: Sequence[str] = ()) -> Iterator[list[ObjectFact]]:
        raise AssertionError

    def leftovers(self) -> Iterator[Leftover]:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


def _fact(key: str) -> ObjectFact:
    return ObjectFact(key, 1, 0, None, False)


def _looker(shelf: Shelf, threads: int = 1, *, listed: bool = True) -> Looker:
    return Looker(shelf, Interrupt(), threads, listed)


def _apart(_first: str, _last: str) -> int:
    return 1_000_000


def _dense(_first: str, _last: str) -> int:
    return 0


@pytest.mark.parametrize("threads", [1, 3])
def test_each_key_is_looked_at_once(threads: int) -> None:
    shelf = Shelf(KEYS[::2])
    looked = {one.key: one.object for one in _looker(shelf, threads).look(KEYS, _apart)}
    assert looked == {key: _fact(key) if number % 2 == 0 else None for number, key in enumerate(KEYS)}
    assert sorted(shelf.looked) == KEYS
    assert not shelf.listed


def test_where_suspects_lie_dense_their_range_is_listed_again() -> None:
    shelf = Shelf([*KEYS[::2], "pictures/0001.jpg.bak"])
    looked = {one.key: one.object for one in _looker(shelf).look(list(reversed(KEYS)), _dense)}
    assert looked == {key: _fact(key) if number % 2 == 0 else None for number, key in enumerate(KEYS)}
    assert shelf.listed == [(KEYS[0], KEYS[-1])]
    assert len(shelf.looked) == 8, "a few of those that are not there are looked at all the same"


def test_a_listing_that_loses_objects_again_is_found_out() -> None:
    class Lossy(Shelf):
        def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
            self.listed.append((first, last))
            yield []

    shelf = Lossy(KEYS)
    assert all(one.object for one in _looker(shelf).look(KEYS, _dense))
    assert sorted(shelf.looked) == KEYS


@pytest.mark.parametrize(("keys", "listed"), [(KEYS[:10], True), (KEYS, False)])
def test_few_suspects_or_a_folder_are_not_listed(keys: list[str], listed: bool) -> None:
    shelf = Shelf(keys)
    assert all(one.object for one in _looker(shelf, listed=listed).look(keys, _dense))
    assert not shelf.listed


def test_a_listing_that_fails_leaves_each_key_to_be_looked_at() -> None:
    shelf = Shelf(KEYS[:100], lists=SourceError("cut", ""))
    looked = list(_looker(shelf).look(KEYS, _dense))
    assert [one.object is not None for one in looked] == [True] * 100 + [False] * 100
    assert not any(one.unseen for one in looked)
    assert sorted(shelf.looked) == KEYS


def test_who_may_list_and_not_read_has_each_key_listed() -> None:
    shelf = Shelf(KEYS[:5], looks=OssRefusal("forbidden", "", "AccessDenied", 403))
    looked = list(_looker(shelf).look(KEYS[:10], _apart))
    assert [one.object is not None for one in looked] == [True] * 5 + [False] * 5
    assert not any(one.unseen for one in looked)
    assert shelf.looked == KEYS[:1]
    assert shelf.listed == [(key, key) for key in KEYS[:10]]


def test_a_store_that_answers_no_more_is_given_up_and_nothing_is_called_missing() -> None:
    shelf = Shelf([], looks=SourceError("the connection broke", ""))
    looked = list(_looker(shelf).look(KEYS, _apart))
    assert [one.key for one in looked] == KEYS
    assert all(one.unseen == "the connection broke" for one in looked)
    assert len(shelf.looked) == 5


def test_a_signal_ends_the_look() -> None:
    interrupt = Interrupt(signum=15)
    with pytest.raises(Cancelled):
        list(Looker(Shelf(KEYS), interrupt, 1, True).look(KEYS[:3], _apart))
