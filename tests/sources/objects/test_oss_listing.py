"""Listing the fake OSS: every object once, in few requests, through faults that heal; what is in doubt is refused."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.errors import Cancelled, SourceError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.oss import OssSource
from dedupaudit.sources.objects.oss_listing import before
from tests.oss import errors, faults
from tests.oss.server import FakeOss
from tests.sources.objects.asking import HOSTILE, QUICK, keys_of, source_of

KEYS = [f"p/{number:04}" for number in range(2500)]


@pytest.mark.parametrize("signature", ["v4", "v1"])
def test_hostile_keys_come_back_byte_for_byte(oss: FakeOss, signature: str) -> None:
    oss.bucket.fill(HOSTILE)
    with source_of(oss, signature=signature) as source:
        assert keys_of(source.pages()) == HOSTILE
        found = [source.look(key) for key in HOSTILE]
        assert [fact.key if fact else None for fact in found] == HOSTILE
        facts = {fact.key: fact for page in source.pages() for fact in page}
        assert {fact.key: fact for fact in found if fact} == facts


@pytest.mark.parametrize(("count", "lists"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (2000, 2), (2500, 3)])
def test_one_range_takes_a_request_a_page_and_the_preflight(oss: FakeOss, count: int, lists: int) -> None:
    oss.bucket.fill(KEYS[:count])
    with source_of(oss) as source:
        source.preflight()
        assert keys_of(source.pages()) == KEYS[:count]
        assert (source.requests.list, source.requests.head, source.requests.other) == (lists + 1, 0, 0)


@pytest.mark.parametrize(
    "splits", [["p/1000"], ["p/0500", "p/0500", "p/2499"], ["a", "z", "p/1234x", "\udcff"], KEYS[::100]]
)
def test_ranges_side_by_side_have_every_object_once(oss: FakeOss, splits: list[str]) -> None:
    oss.bucket.fill(KEYS)
    with source_of(oss) as source:
        assert sorted(keys_of(source.pages(splits))) == KEYS


def test_only_what_lies_below_the_prefix_is_listed(oss: FakeOss) -> None:
    oss.bucket.fill(["p", "p/", "p/a", "p0", "q/a"])
    with source_of(oss, "oss://pictures/p/") as source:
        assert keys_of(source.pages()) == ["p/", "p/a"]
        assert source.shown == "oss://pictures/p/"


HEALING: list[Callable[[], faults.Action]] = [
    lambda: faults.fail(errors.unavailable),
    lambda: faults.empty(503),
    lambda: faults.plain(503),
    lambda: faults.html(502),
    lambda: faults.fail(errors.internal_error),
    lambda: faults.fail(
        lambda: errors.OssError(400, "RequestTimeout", "Your socket connection was idle.", "0002-00000001")
    ),
    faults.reset,
    faults.reset_after_doing,
    faults.reset_in_body,
    faults.cut_xml,
    faults.hang_up,
    faults.without_token,
    faults.empty_page,
    faults.emptied,
    lambda: faults.short_pages(7),
]


@pytest.mark.parametrize("fault", HEALING)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_fault_that_passes_loses_and_repeats_nothing(
    oss: FakeOss, fault: Callable[[], faults.Action], nth: int
) -> None:
    oss.bucket.fill(KEYS)
    rule = oss.misbehave(fault(), kind="list", nth=nth)
    with source_of(oss) as source:
        assert keys_of(source.pages()) == KEYS
    assert rule.used == 1


@pytest.mark.parametrize(
    "fault",
    [
        lambda: faults.fail(errors.unavailable),
        faults.reset,
        faults.reset_in_body,
        faults.cut_xml,
        lambda: faults.html(200),
    ],
)
def test_a_fault_that_stays_ends_the_listing_which_goes_on_where_it_was(
    oss: FakeOss, fault: Callable[[], faults.Action]
) -> None:
    oss.bucket.fill(KEYS)
    oss.misbehave(fault(), kind="list", nth=2, times=None)
    got: list[str] = []
    with source_of(oss) as source:
        with pytest.raises(SourceError) as failed:
            for page in source.pages():
                got += [fact.key for fact in page]
        assert failed.value.hint
        assert got == KEYS[:1000]
        oss.behave()
        asked = source.requests.list
        assert got + keys_of(source.resume()) == KEYS
        assert source.requests.list == asked + 2


@pytest.mark.parametrize("fault", [faults.out_of_order, faults.first_page_again, faults.page_before_again])
def test_a_page_out_of_order_or_again_is_never_accepted(oss: FakeOss, fault: Callable[[], faults.Action]) -> None:
    oss.bucket.fill(KEYS)
    oss.misbehave(fault(), kind="list", nth=2, times=None)
    with source_of(oss) as source, pytest.raises(SourceError, match="cannot be trusted"):
        keys_of(source.pages())


def test_a_listing_of_another_bucket_is_not_believed(oss: FakeOss) -> None:
    oss.bucket.fill(KEYS[:3])
    oss.misbehave(faults.edited(lambda body: body.replace(b"<Name>pictures<", b"<Name>others<")), kind="list")
    with source_of(oss) as source, pytest.raises(SourceError, match="another bucket"):
        keys_of(source.pages())


def test_a_range_is_listed_again_with_both_ends(oss: FakeOss) -> None:
    oss.bucket.fill(HOSTILE)
    with source_of(oss) as source:
        for first in range(0, len(HOSTILE), 5):
            last = min(first + 3, len(HOSTILE) - 1)
            assert keys_of(source.again(HOSTILE[first], HOSTILE[last])) == HOSTILE[first : last + 1]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_listing_begins_just_before_a_key(key: str) -> None:
    start = before(key)
    assert start.encode() < key.encode()
    assert start.startswith(key[:-1])


def test_requests_are_spread_evenly(oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> None:
    oss.bucket.fill(KEYS)
    waits: list[float] = []
    with source_of(oss, qps=2.0) as source:
        monkeypatch.setattr(source.connection, "_sleep", waits.append)
        keys_of(source.pages())
    # Nothing was slept, so that the second and the third request each came before their turn.
    assert len(waits) == 2
    assert 0 < waits[0] <= 0.5 < waits[1] <= 1


def test_a_signal_ends_a_listing_that_waits(oss: FakeOss) -> None:
    oss.bucket.fill(KEYS)
    interrupt = Interrupt()

    def come() -> None:
        interrupt.signum = signal.SIGTERM

    oss.misbehave(faults.in_turn(faults.before(come)), kind="list", nth=2)
    source = OssSource("oss://pictures/", oss.endpoint, oss.region, interrupt, replace(QUICK))
    with pytest.raises(Cancelled):
        keys_of(source.pages())
    source.close()


def test_a_listing_that_is_left_early_asks_no_further(oss: FakeOss) -> None:
    oss.bucket.fill(KEYS)
    with source_of(oss) as source:
        pages = source.pages(KEYS[::500])
        next(pages)
        pages.close()  # type: ignore[attr-defined]  # a generator, which its type does not promise
        before_that = oss.counts["list"]
    assert oss.counts["list"] == before_that


def test_leftovers_tell_what_they_hold(oss: FakeOss) -> None:
    oss.bucket.leave_upload("p/a b+%", [5, 7], 1_767_225_600)
    oss.bucket.leave_upload("p/c", [])
    oss.bucket.leave_upload("q/d", [1])
    with source_of(oss, "oss://pictures/p/") as source:
        found = list(source.leftovers())
        assert [(each.key, each.parts, each.size) for each in found] == [("p/a b+%", 2, 12), ("p/c", 0, 0)]
        assert found[0].initiated == 1_767_225_600_000_000
        assert source.requests.other == 3
