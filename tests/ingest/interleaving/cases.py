"""Who uploads what under one ID, who else plays along, and what must come of it in every order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.ingest.interleaving.uploads import Ended

SAME: Final = {"A": b"a picture", "B": b"a picture"}
OTHER: Final = {"A": b"a picture", "B": b"another picture"}


def ends(*said: str, retries: tuple[int, ...] = (0,)) -> Callable[[Ended], Iterator[str]]:
    """Expect these answers, in whatever order, and a completed row after so many failed attempts."""

    def expect(ended: Ended) -> Iterator[str]:
        if ended.said != sorted(said):
            yield f"answered {', '.join(ended.said)}"
        if (ended.status, ended.writes) != ("completed", 1):
            yield f"the row says {ended.status}, and {ended.writes} PUTs have written"
        if ended.retry_count not in retries:
            yield f"retry_count is {ended.retry_count}"

    return expect


def refused_once(ended: Ended) -> Iterator[str]:
    """Expect one failed attempt where A's PUT was refused, and none where B was faster."""
    failed = "failed" in ended.said
    yield from ends("failed" if failed else "duplicate", "stored", retries=(int(failed),))(ended)


def kept_or_taken_over(ended: Ended) -> Iterator[str]:
    """Expect the claim to be renewed in time, or to be taken over once."""
    taken_over = ended.said == ["stored"]
    yield from ends("stored" if taken_over else "duplicate", retries=(int(taken_over),))(ended)


# What plays, and what comes of it. E lets the lease end whenever it likes; S sweeps; H, who
# had the claim all along, goes on.
CASES: Final[dict[str, dict[str, Any]]] = {
    "one picture twice": {"pictures": SAME, "expect": ends("stored", "duplicate")},
    "two pictures under one ID": {"pictures": OTHER, "expect": ends("stored", "collision")},
    "refused by the store once": {"pictures": SAME, "expect": refused_once, "refusals": 1},
    "a lease that ends": {"pictures": SAME, "expect": ends("stored", "duplicate", retries=(0, 1)), "others": "E"},
    "a lease that ends, two pictures": {
        "pictures": OTHER,
        "expect": ends("stored", "collision", retries=(0, 1, 2)),
        "others": "E",
    },
    "a sweep": {"pictures": {"A": b"p"}, "expect": ends("stored", retries=(1,)), "others": "S", "began": "uploading"},
    "a sweep of the living": {"pictures": {"A": b"p"}, "expect": ends("stored"), "others": "S"},
    "a renewal that comes late": {
        "pictures": {"A": b"p"},
        "expect": kept_or_taken_over,
        "others": "H",
        "began": "uploading",
    },
    "a sweep, a lease that ends": {"pictures": {"A": b"p"}, "expect": ends("stored", retries=(0, 1)), "others": "ES"},
}
