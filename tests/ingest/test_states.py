"""The table of transitions, the pure model beside it, and what each safeguard is there for."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from dedupaudit.ingest.states import COMPLETE, INSERT, RENEW, TRANSITIONS, Transition
from tests.ingest.model import RULES, Rules, World, after, explore, start, steps

_WITHOUT_ROW = ""


def _walks(length: int) -> list[tuple[Transition, ...]]:
    """Return every sequence of transitions that a row can go through, from its insert on."""
    walks: list[tuple[Transition, ...]] = [(INSERT,)]
    for _ in range(length):
        walks += [(*walk, one) for walk in walks for one in TRANSITIONS if walk[-1].target in one.sources]
    return walks


def test_every_claim_of_a_row_has_a_token_that_no_other_claim_of_it_has() -> None:
    for walk in _walks(3):
        token, tokens = 0, []
        for before, one in zip(walk, walk[1:], strict=False):
            token += one.counts
            if one.target == "uploading" and one is not RENEW:
                tokens.append(token)
            assert before.target in one.sources
        assert tokens == sorted(set(tokens)), [one.name for one in walk]


def test_a_completed_row_never_changes_and_none_becomes_pending_again() -> None:
    assert all("completed" not in one.sources for one in TRANSITIONS)
    assert [one for one in TRANSITIONS if one.target == "pending"] == [INSERT]
    assert [one for one in TRANSITIONS if one.target == "completed"] == [COMPLETE]


def test_who_takes_from_a_living_holder_shows_the_token_and_all_others_wait_for_the_lease() -> None:
    for one in TRANSITIONS:
        assert ("uploading" in one.sources) == (one.by_token or one.lease_over), one.name


def test_the_model_goes_through_each_transition_of_the_table_and_through_no_other() -> None:
    seen: set[World] = set()
    assert list(explore(start("AB"), seen=seen)) == []
    changes = set()
    for world in seen:
        for step in steps(world):
            row, then = world.row, after(world, step).row
            if then != row and then is not None:
                changes.add((row.status if row else _WITHOUT_ROW, then.status, then.token - (row.token if row else 0)))
    # `expire` is no change of the row, but of the time; a renewal undoes it.
    changes.discard(("uploading", "uploading", 0))
    assert changes == {
        (source, one.target, int(one.counts))
        for one in TRANSITIONS
        if one is not RENEW
        for source in one.sources or (_WITHOUT_ROW,)
    }


@pytest.mark.parametrize("pictures", ["AA", "AB"])
def test_no_order_of_two_requests_does_harm(pictures: str) -> None:
    seen: set[World] = set()
    assert list(explore(start(pictures, ends=3, crashes=2), seen=seen)) == []
    said = {tuple(sorted(request.said for request in world.requests)) for world in seen}
    other = "duplicate" if pictures == "AA" else "collision"
    assert {(other, "stored"), ("failed", "stored"), ("busy", "stored")} <= said, "the model answers nobody"


def test_whoever_is_left_can_always_store_the_picture() -> None:
    # From any world on, a request that is left alone with a row whose lease ends gets its picture stored.
    seen: set[World] = set()
    list(explore(start("AA"), seen=seen))
    for world in seen:
        alone = replace(world, requests=(start("A").requests[0],))
        for _ in range(12):
            if alone.row is not None and alone.row.status == "uploading" and alone.row.live:
                holder = alone.requests[0].token == alone.row.token
                alone = alone if holder else replace(alone, row=replace(alone.row, live=False))
            go = [step for step in steps(alone) if step.what == "go"]
            if not go:
                break
            alone = after(alone, go[0])
        assert alone.requests[0].said in ("stored", "duplicate"), world


@pytest.mark.parametrize("safeguard", [field.name for field in fields(Rules)])
def test_without_any_one_safeguard_harm_is_found(safeguard: str) -> None:
    rules = replace(RULES, **{safeguard: False})
    assert any(next(explore(start(pictures), rules), None) for pictures in ("AA", "AB"))


def test_what_harm_looks_like_is_told_by_the_shortest_way_to_it() -> None:
    harms = list(explore(start("AB", crashes=0, refusals=0), replace(RULES, verifies=False)))
    told = next(harm for harm in harms if harm.what == "completed without its object")
    world = start("AB", crashes=0, refusals=0)
    for step in told.path:
        assert step in steps(world)
        world = after(world, step, replace(RULES, verifies=False))
    assert world.row is not None and world.row.status == "completed" and world.row.picture != world.object
