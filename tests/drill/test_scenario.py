"""What clients are going to do: the same for the same numbers, whole at the smallest size, and of one ID each."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.drill.scenario import ENOUGH_IDS, NO_FAULT, Fault, Kind, Plan, retries, scenario
from dedupaudit.ingest.events import Screenshot


def of(kind: Kind, plans: tuple[Plan, ...]) -> list[Plan]:
    return [plan for plan in plans if plan.kind == kind]


def test_the_same_numbers_give_the_same_plans_and_another_seed_gives_others() -> None:
    assert scenario(200, 8, 7) == scenario(200, 8, 7)
    assert scenario(200, 8, 7) != scenario(200, 8, 8)
    assert retries(100, 8, 7) == retries(100, 8, 7) != retries(100, 8, 8)


@given(ids=st.integers(ENOUGH_IDS, 300), writers=st.integers(2, 64), seed=st.integers(0, 2**31))
def test_every_drill_has_every_fault_and_as_many_ids_as_it_was_asked_for(ids: int, writers: int, seed: int) -> None:
    plans = scenario(ids, writers, seed)
    assert len({plan.id for plan in plans}) == len(plans) == ids
    assert {plan.kind for plan in plans} == set(get_args(Kind))
    for plan in plans:
        assert {client.event.id for client in plan.clients} == {plan.id}
        assert sum(client.after == "start" for client in plan.clients) <= writers
        assert plan.clients[0].after == "start"
        # What goes wrong in an upload needs a picture.
        assert all(
            isinstance(client.event, Screenshot)
            for client in plan.clients
            if client.fault.slow or client.fault.then or client.fault.upload_fails
        )


@given(ids=st.integers(1, ENOUGH_IDS), seed=st.integers(0, 2**31))
def test_a_small_drill_has_of_each_fault_one_before_it_has_two_of_any(ids: int, seed: int) -> None:
    plans = scenario(ids, 2, seed)
    assert len({plan.id for plan in plans}) == len(plans) == ids
    often = Counter(plan.kind for plan in plans if plan.kind != "plain")
    faults = len(get_args(Kind)) - 1
    assert len(often) == min(ids, faults)


def test_faults_are_as_many_however_many_ids_there_are() -> None:
    def faults(plans: tuple[Plan, ...]) -> Counter[Fault]:
        return Counter(client.fault for plan in plans for client in plan.clients if client.fault != NO_FAULT)

    assert faults(scenario(ENOUGH_IDS, 32, 1)) == faults(scenario(5000, 32, 2))


def test_half_of_the_zombies_come_back_with_another_picture_which_only_its_content_tells() -> None:
    zombies = of("paused", scenario(100, 32, 3))
    others = []
    for plan in zombies:
        first, *rest = [client.event for client in plan.clients]
        assert isinstance(first, Screenshot)
        for event in rest:
            assert isinstance(event, Screenshot)
            assert len(event.picture) == len(first.picture)
            assert (event.device_id, event.timestamp) == (first.device_id, first.timestamp)
        others.append(any(event != first for event in rest))
    assert sorted(others) == [False, False, True, True]


def test_those_who_conflict_differ_and_go_together_or_one_after_the_other() -> None:
    plans = scenario(500, 32, 4)
    conflicts = of("conflict", plans)
    assert all(plan.clients[0].event != plan.clients[1].event for plan in (*conflicts, *of("devices", plans)))
    assert {plan.clients[1].after for plan in conflicts} == {"start", "answer"}
    assert all(len({client.event.device_id for client in plan.clients}) == 2 for plan in of("devices", plans))


def test_what_waits_for_a_timeout_goes_first_and_harmless_requests_before_those_that_overlap_alone() -> None:
    plans = scenario(500, 8, 5)
    kinds = [plan.kind for plan in plans]
    waiting = sum(kinds.count(kind) for kind in ("lost", "killed", "abandoned"))
    assert set(kinds[:waiting]) == {"lost", "killed", "abandoned"}
    assert set(kinds[waiting : waiting + 16]) == {"plain"}
    assert [plan.alone for plan in plans].index(True) == waiting + 16
    assert all(plan.kind == "overlap" and plan.is_faultless for plan in plans if plan.alone)


def test_retries_send_nothing_but_the_same_again() -> None:
    plans = retries(100, 8, 6)
    assert {plan.kind for plan in plans} == {"plain", "overlap", "lost", "dropped"}
    assert all(len({client.event.timestamp for client in plan.clients}) == 1 for plan in plans)
    assert len({plan.clients[0].event.timestamp for plan in plans}) == 100


def test_the_smallest_drill_of_a_table_sends_something_again() -> None:
    for ids in range(1, 45):
        plans = retries(ids, 2, 6)
        assert len(plans) == ids
        # The next one after a while: a default of the time is another one only then.
        assert "lost" in {plan.kind for plan in plans}, ids
