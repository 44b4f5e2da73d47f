"""What every store has to keep, whatever it is: one winner for a key, whole objects, and honest answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from urllib.parse import unquote, urlsplit

import pytest

from dedupaudit.errors import UsageError
from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.stores.protocol import ObjectStore

KEY = "screenshots/pc-1/screenshot_1766557428498.jpg"
HOSTILE = sorted(
    [
        *("a b", "a+b", "a%b", "%2F", "%2e%2e/x", "a?b=c", "a#b", "a&b;c", "<k>&\"'", "' OR 1=1 --", "$(id)`id`"),
        *(
            "照片/图.jpg",
            "é",
            "e\u0301",
            "\U0001f4f7",
            " lead",
            "trail ",
            "new\nline",
            "tab\t",
            "\x1b[2J",
            "\u202e",
            "\x7f",
        ),
        *("...", ".hidden", "a/.b/..c", "-rf", "~", "b\\x", "k" * 200 + "/" + "k" * 200, "\x01"),
    ]
)
IMPOSSIBLE = ["", ".", "..", "/a", "\ud800"]


def keys(pages: Iterable[list[ObjectFact]]) -> list[str]:
    return [fact.key for page in pages for fact in page]


def at_once(threads: int, work: Callable[[int], object]) -> list[object]:
    """Do the work in so many threads that begin together."""
    start = Barrier(threads)

    def one(number: int) -> object:
        start.wait(10)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8picture\x00", b"x" * 3_000_000], ids=["empty", "small", "large"])
def test_what_was_put_is_there(store: ObjectStore, content: bytes) -> None:
    assert store.look(KEY) is None
    assert store.holds(KEY, content) is None
    assert store.put(KEY, content, content_type="image/jpeg")
    found = store.look(KEY)
    assert found is not None
    assert (found.key, found.size) == (KEY, len(content))
    assert store.holds(KEY, content) is True
    assert store.holds(KEY, content + b"x") is False
    if content:
        assert store.holds(KEY, b"y" + content[1:]) is False
        assert store.holds(KEY, content[:-1] + b"y") is False


def test_a_key_that_is_taken_is_not_written_again(store: ObjectStore) -> None:
    assert store.put(KEY, b"first")
    assert not store.put(KEY, b"first")
    assert not store.put(KEY, b"other")
    assert store.holds(KEY, b"first") is True


def test_only_who_says_so_overwrites(store: ObjectStore) -> None:
    store.put(KEY, b"first")
    assert store.put(KEY, b"a longer second", overwrite=True)
    assert store.holds(KEY, b"a longer second") is True
    assert store.put("new", b"1", overwrite=True)
    assert keys(store.below("")) == ["new", KEY]


def test_of_eight_that_put_one_key_exactly_one_wins(store: ObjectStore) -> None:
    contents = [bytes([65 + number]) * (1000 + number) for number in range(8)]
    for key in ("a/b/c.jpg", "d"):
        won = at_once(8, lambda number, key=key: store.put(key, contents[number]))  # type: ignore[misc]  # mypy and defaults of lambdas
        assert sorted(map(bool, won)) == [False] * 7 + [True]
        assert store.holds(key, contents[won.index(True)]) is True


def test_an_object_is_never_seen_half_written(store: ObjectStore) -> None:
    first, second = b"1" * 400_000, b"2" * 500_000
    store.put(KEY, first)

    def work(number: int) -> object:
        if number == 0:
            return [store.put(KEY, content, overwrite=True) for content in (second, first) * 10]
        return {fact.size for _ in range(20) if (fact := store.look(KEY))}

    seen = at_once(2, work)[1]
    assert isinstance(seen, set)
    assert seen <= {len(first), len(second)}


def test_hostile_keys_are_keys_like_others(store: ObjectStore) -> None:
    for key in HOSTILE:
        assert store.put(key, key.encode()), key
    for key in HOSTILE:
        assert store.holds(key, key.encode()) is True, key
        assert not store.put(key, b"")
    assert keys(store.below("")) == sorted(HOSTILE, key=str.encode)
    assert store.delete(HOSTILE) == len(HOSTILE)
    assert keys(store.below("")) == []
    assert store.look(HOSTILE[-1]) is None


@pytest.mark.parametrize("key", IMPOSSIBLE, ids=ascii)
def test_a_key_that_cannot_be_is_said_and_nothing_is_written(store: ObjectStore, key: str) -> None:
    for act in (lambda: store.put(key, b"x"), lambda: store.delete([key]), lambda: store.url(key)):
        with pytest.raises(UsageError, match="cannot have an object") as refused:
            act()
        assert refused.value.hint
    assert store.look(key) is None
    assert store.holds(key, b"x") is None
    assert keys(store.below("")) == []


def test_below_a_prefix_is_what_begins_with_it(store: ObjectStore) -> None:
    for key in ("a-", "a/1", "a/2/3", "a0", "b/1", "a/é"):
        store.put(key, b"")
    assert keys(store.below("a/")) == ["a/1", "a/2/3", "a/é"]
    assert keys(store.below("b")) == ["b/1"]
    assert keys(store.below("c/")) == []


def test_deleting_takes_what_is_there_and_counts_what_was_asked(store: ObjectStore) -> None:
    store.put("p/q/1", b"1")
    store.put("p/2", b"2")
    assert store.delete(key for key in ("p/q/1", "p/q/1", "p/never", "nowhere/at/all")) == 4
    assert keys(store.below("")) == ["p/2"]
    assert store.delete([]) == 0


def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(store: ObjectStore) -> None:
    def work(number: int) -> object:
        key = f"p/q/{number}"
        return all(store.put(key, b"x") and store.holds(key, b"x") and store.delete([key]) for _ in range(15))

    assert at_once(8, work) == [True] * 8
    assert keys(store.below("")) == []


@pytest.mark.parametrize("prefix", ["", "dedupaudit-drill-1/"])
def test_a_preflight_leaves_nothing(store: ObjectStore, prefix: str) -> None:
    store.put("mine", b"1")
    store.preflight(prefix)
    assert keys(store.below("")) == ["mine"]


@pytest.mark.parametrize("key", [key for key in HOSTILE if "/.." not in key])
def test_an_address_leads_to_the_key(store: ObjectStore, key: str) -> None:
    url = store.url(key)
    assert url.isascii() and " " not in url
    assert unquote(urlsplit(url).path).removeprefix("/").removeprefix("pictures/") == key


def test_what_messages_show_of_a_store_has_no_secret(store: ObjectStore) -> None:
    assert store.shown.startswith(("oss://pictures/", "file:///"))
