"""Nearly equal keys, whoever holds them: the algorithm beside a brute-force grouping of all keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.sources.tables import near_equal
from dedupaudit.sources.tables.folding import fold
from dedupaudit.sources.tables.near_equal import OddKey, fold_key, near_equal_sets
from dedupaudit.sources.tables.protocol import Key, Undecodable

TEXTS = st.sampled_from(
    ["a", "A", "a ", "ａ", "b", "B", "é", "É", "e\u0301", "ß", "ss", "SS", "", " ", "\ud800", "a\nb"]
)
BROKEN = st.sampled_from([Undecodable(b"a\xff"), Undecodable(b"A\xff"), Undecodable(b"\xff ")])
PARTS = TEXTS | BROKEN | st.sampled_from([1, 1.0, b"A", b"a"])
KEYS = st.lists(st.tuples(PARTS) | st.tuples(PARTS, TEXTS), max_size=20)


def is_odd(key: Key) -> bool:
    """Coarser than it must be, as a server's own condition is."""
    return any(
        isinstance(part, Undecodable) or (isinstance(part, str) and (fold(part) != part or not part.isascii()))
        for part in key
    )


def written(key: Key) -> str:
    return repr(key)


def sets_of(keys: Sequence[Key], batch: int) -> list[set[str]]:
    counted = Counter(map(written, keys))
    by_writing = {written(key): key for key in keys}

    def plain(folded: Sequence[Key]) -> Iterable[OddKey]:
        for one in folded:
            found = by_writing.get(written(one))
            if found is not None and not is_odd(found):
                yield OddKey(found, 0, counted[written(one)])

    odd = (OddKey(key, 0, counted[text]) for text, key in by_writing.items() if is_odd(key))
    before, near_equal._BATCH = near_equal._BATCH, batch
    try:
        variants = list(near_equal_sets(odd, plain, 1))
    finally:
        near_equal._BATCH = before
    sets = []
    while variants:
        size = variants[0].variants
        sets.append({written(variant.key) for variant in variants[:size]})
        assert len(sets[-1]) == size
        assert all(variant.rows == counted[written(variant.key)] for variant in variants[:size])
        variants = variants[size:]
    return sets


@given(keys=KEYS, batch=st.sampled_from([1, 2, 2000]))
def test_sets_are_those_of_brute_force(keys: list[Key], batch: int) -> None:
    wanted: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        wanted[written(fold_key(key))].add(written(key))
    expected = sorted(sorted(keys) for keys in wanted.values() if len(keys) > 1)
    assert sorted(map(sorted, sets_of(keys, batch))) == expected


def test_numbers_and_bytes_fold_onto_nothing() -> None:
    assert sets_of([(1,), ("1",), (b"a",), ("a",), (b"A",)], 10) == []


def test_a_key_is_reported_as_it_is_shown() -> None:
    # 7 stands for 1 day and 24 hours, which are one value to the database.
    odd = iter([OddKey((7, "A"), 1, 1, ("24:00:00", "A"))])
    (first, second) = near_equal_sets(odd, lambda keys: [OddKey(key, 2, 3, ("1 day", "a")) for key in keys], 1)
    assert (first.key, second.key) == (("24:00:00", "A"), ("1 day", "a"))


def test_a_plain_key_that_two_batches_ask_for_is_one() -> None:
    assert sets_of([("A",), ("a",), (" a",), ("a ",)], 1) == [{"('A',)", "('a',)", "(' a',)", "('a ',)"}]
