"""Uploads and deletions while the check runs: a seeded simulation of thousands of interleavings; no verdict is false.

An interleaving is one picture's life beside one run: each world has 40 pictures, and most have clients at work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from dedupaudit import opening
from dedupaudit.checks.crossing import CrossScan
from dedupaudit.config import DatabaseSettings, ObjectsSettings, Settings, TableSettings
from dedupaudit.crosscheck import looking, run
from dedupaudit.snapshot.crossing import Crossing
from dedupaudit.urls import parse_database_url
from tests.crosscheck.shots import checked, named
from tests.crosscheck.simulation import SECOND, Damage, WatchedObjects, WatchedTables, World
from tests.crosscheck.stub import URL, in_place_of_a_bucket

JUDGED = ("missing_object", "orphan_object", "size_mismatch", "unexpected_object", "shared_object")
QUICK, SLOW = 50, 500  # worlds of 40 pictures
Mutation = Callable[[pytest.MonkeyPatch, World], None]


class Judgement(NamedTuple):
    """What one run said: confirmed although it never held, or had healed before the second look; and what it missed."""

    false: set[Damage]
    stale: set[Damage]
    missed: set[Damage]
    said: Counter[tuple[str, str]]


def judged(seed: int, mutation: Mutation | None = None) -> Judgement:
    """Check one world while its clients work."""
    world = World(seed, int(time.time() * SECOND))
    settings = Settings(
        databases=tuple(
            DatabaseSettings(f"shard{shard}", parse_database_url(f"sqlite:///{shard}.db")) for shard in range(2)
        ),
        tables={"screenshots": TableSettings(key=("id",))},
        objects=ObjectsSettings(url=URL, threads=1, max_missing=1.0),
    )
    opened = iter(range(2))
    with in_place_of_a_bucket(WatchedObjects(world), worth_listing=world.random.choice((None, 2, 12))) as patch:
        patch.setattr(opening, "open_source", lambda *_arguments: WatchedTables(world, next(opened)))
        if mutation is not None:
            mutation(patch, world)
        outcome = checked(settings)
    assert {row.status for row in outcome.report.coverage} == {"checked"}
    findings = outcome.report.findings
    confirmed = {(one.check, named(one)) for one in findings if one.verdict == "confirmed" and one.check in JUDGED}
    twice = {name for item in world.items if item.scripts > 1 for name in (item.id, item.id + "-copy", item.key)}
    return Judgement(
        false=confirmed - world.ever,
        # Of a thing that two clients change in turn, a check cannot know what it was between its looks.
        stale={one for one in confirmed - world.late if one[1] not in twice},
        missed=world.lasting() - confirmed,
        said=Counter((one.check, one.verdict) for one in findings),
    )


def check(seeds: Sequence[int]) -> Counter[tuple[str, str]]:
    said: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        judgement = judged(seed)
        assert not judgement.false, f"world {seed}: confirmed, and held at no moment"
        assert not judgement.stale, f"world {seed}: confirmed, and had healed before the second look"
        assert not judgement.missed, f"world {seed}: damage that nobody touched was not found"
        said += judgement.said
    return said


@pytest.mark.timeout(300)
def test_no_false_verdict_in_two_thousand_interleavings() -> None:
    said = check(range(QUICK))
    for name in JUDGED:
        assert said[name, "confirmed"], f"{name} was never confirmed: the simulation tells nothing of it"
    assert said["missing_object", "in_grace"] and said["size_mismatch", "in_grace"]
    assert said["orphan_object", "in_grace"] and said["unexpected_object", "in_grace"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(5))
def test_no_false_verdict_in_twenty_thousand_interleavings(part: int) -> None:
    check(range(QUICK + part * SLOW // 5, QUICK + (part + 1) * SLOW // 5))


def without_new_rows(patch: pytest.MonkeyPatch, world: World) -> None:
    """Rows are read again out of the first snapshot."""
    patch.setattr(WatchedTables, "renew", lambda self: world.begin_second_look())


def without_looking_at_objects(patch: pytest.MonkeyPatch, world: World) -> None:
    """Objects are taken to be there where the listing told of them."""

    def look(_self: object, keys: Sequence[str], _between: object) -> Iterator[looking.Looked]:
        world.begin_second_look()
        yield from (looking.Looked(key, world.listed.get(key)) for key in keys)

    patch.setattr(looking.Looker, "look", look)


def without_a_grace(patch: pytest.MonkeyPatch, _world: World) -> None:
    """Nothing is young."""
    scan_of: Any = run._Run._cross_scan

    def cross_scan(self: run._Run, crossing: Crossing) -> CrossScan:
        scan: CrossScan = scan_of(self, crossing)
        scan.young_after = 2**62
        return scan

    patch.setattr(run._Run, "_cross_scan", cross_scan)


def objects_first(patch: pytest.MonkeyPatch, world: World) -> None:
    """Objects are listed before rows are read, and not looked at again."""
    look: Any = run._Run._first_look

    def first_look(self: run._Run, crossing: Crossing) -> None:
        self.store.load(crossing, self.progress)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self.store, "load", lambda *_arguments: None)
            # The new rows begin with the look at them.
            for reader in self.readers:
                WatchedTables.renew(reader.source)  # type: ignore[arg-type]  # it is one here
            world.looking_again = False
            world.late.clear()
            look(self, crossing)

    patch.setattr(run._Run, "_first_look", first_look)
    without_looking_at_objects(patch, world)


@pytest.mark.parametrize("mutation", [without_new_rows, without_looking_at_objects, without_a_grace, objects_first])
def test_the_simulation_notices_what_crosscheck_must_not_leave_out(mutation: Mutation) -> None:
    wrong: Counter[str] = Counter()
    for seed in range(QUICK):
        judgement = judged(seed, mutation)
        wrong += Counter(check for check, _ in judgement.false | judgement.stale)
        if judgement.false or judgement.stale:
            break
    assert wrong, f"{mutation.__name__} makes no difference"
