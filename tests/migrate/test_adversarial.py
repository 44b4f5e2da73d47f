"""Eight writers against a whole migration: it ends, nothing is lost, nobody is refused what an index would allow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dedupaudit.config import TableSettings
from dedupaudit.migrate.evidence import Migrated
from tests.migrate.adversary import Adversary, Said, Sum, conserved, fill
from tests.migrate.adversary_places import CONSTRAINT, LEVELS, PLACES, Place
from tests.migrate.migrating import Migrating
from tests.repair.databases import Mariadb

TABLE = TableSettings(key=("id",), volatile=("seq", "op", "prev", "note"), constraint=CONSTRAINT)
AGAINST = [*((name, level) for name in ("postgresql", "mariadb") for level in LEVELS), ("sqlite", "SERIALIZABLE")]


def migrating(place: Place, folder: Path, rows: int) -> tuple[Migrating, dict[int, str]]:
    """Return a filled table that is to be migrated, and its keys."""
    found = Migrating(place.database, folder, {"t": TABLE})
    place.prepare()
    return found, fill(place, rows)


def has_no_leak(work: Migrating) -> None:
    """Assert that the build met no duplicate, or one that was none: the guard held.

    MariaDB's online build imagines one now and then; what a leak leaves, `conserved` would find in quarantine.
    """
    met = [said for said in work.said if "met a duplicate" in said]
    assert len(met) == len([said for said in work.said if "no key is stored twice" in said])
    assert not met or isinstance(work.database, Mariadb)


def is_migrated(place: Place, done: Migrated) -> None:
    """Assert that the run says so, and that it is so."""
    assert done.run is not None
    assert (done.run.state, done.exit_code, done.stopped) == ("done", 0, None)
    assert done.evidence is not None
    assert done.evidence.holds
    assert "was refused by" in done.evidence.probe
    assert place.is_protected()
    assert place.left() == []
    assert place.database.ask("SELECT lower(id) FROM t GROUP BY lower(id) HAVING count(*) > 1") == []


def nobody_is_wronged(against: Adversary) -> None:
    """Assert what writers demand of any database."""
    wrong = [(writer.number, writer.kind, what) for writer in against.writers for what in writer.wrong]
    assert not wrong, "\n".join(map(str, wrong[:20]))


def attack(
    place: Place,
    level: str,
    folder: Path,
    *,
    seed: int,
    rows: int,
    bulk: int,
    pause: float = 0.02,
    rewriting: Sequence[str] = (),
) -> Sum:
    """Migrate under attack, and assert everything; `rewriting` are triggers that rewrite the key."""
    work, initial = migrating(place, folder, rows)
    place.database.run(*rewriting)
    strategy = None if place.name == "sqlite" else "guarded"
    plan = work.plan(strategy=strategy)
    with Adversary(place, level, seed=seed, rows=rows, bulk=bulk, pause=pause, rewritten=bool(rewriting)) as against:
        work.said = Said(against.progress)
        with against.afterwards(0.5):
            done = work.apply(plan)
    nobody_is_wronged(against)
    has_no_leak(work)
    is_migrated(place, done)
    total = conserved(place, against.writers, initial)
    assert done.evidence
    assert total.quarantined == done.evidence.rows_quarantined
    assert total.quarantined >= rows // 10 * 0.9
    assert total.refused[place.unique], "no duplicate was tried after the guard"
    assert all(sum(writer.accepted.values()) for writer in against.writers), "a writer never came to anything"
    return total


@pytest.mark.parametrize(("name", "level"), AGAINST)
def test_a_migration_against_eight_writers(name: str, level: str, tmp_path: Path) -> None:
    attack(PLACES[name], level, tmp_path, seed=1, rows=2_000, bulk=1_000)


@pytest.mark.parametrize(("name", "level"), AGAINST)
def test_writers_meet_the_same_refusals_at_an_index_that_was_always_there(
    name: str, level: str, tmp_path: Path
) -> None:
    """What the other tests allow is no more than this; the writers' own books balance without any tool."""
    place = PLACES[name]
    place.database.fresh(tmp_path)
    place.prepare()
    place.database.run(f"CREATE UNIQUE INDEX {CONSTRAINT} ON t (id)")
    initial = fill(place, 500, twice=False)
    with Adversary(place, level, seed=2, rows=500, bulk=200) as against:
        against.progress.step = "after"
        time.sleep(2)
    nobody_is_wronged(against)
    total = conserved(place, against.writers, initial, quarantine=False)
    assert total.made > 500
    assert total.refused[place.unique]


def test_the_books_do_not_balance_where_a_row_is_lost_doubled_or_altered(tmp_path: Path) -> None:
    place = PLACES["sqlite"]
    place.database.fresh(tmp_path)
    place.prepare()
    initial = fill(place, 20)
    conserved(place, [], initial, quarantine=False)
    for change, told in (
        ("DELETE FROM t WHERE seq = 5", "lost"),
        ("INSERT INTO t VALUES (99, 'x', 99, NULL, '')", "found, expected"),
        ("INSERT INTO t VALUES (98, 'x', 5, NULL, '')", "in both, or twice"),
    ):
        place.database.run("DELETE FROM t")
        fill(place, 20)
        place.database.run(change)
        with pytest.raises(AssertionError, match=told):
            conserved(place, [], initial, quarantine=False)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "level"), AGAINST)
def test_a_longer_migration_against_eight_writers(name: str, level: str, seed: int, tmp_path: Path) -> None:
    attack(PLACES[name], level, tmp_path, seed=seed + 100, rows=20_000, bulk=1_000, pause=0.005)
