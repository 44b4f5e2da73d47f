"""The kill matrix of migrations: the tool killed after every statement of every strategy, while four writers go on.

Afterwards `apply` goes on to the end, or `rollback` cleans up, in turn; then the catalog shows the constraint, or
nothing of it, no guard, no lookup index and no invalid index, and no row is lost.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

from dedupaudit.migrate.databases import DIALECTS
from tests.migrate.killing import (
    CONFIG,
    MigrateMariadb,
    MigratePlace,
    MigratePostgresql,
    MigrateRunner,
    MigrateSqlite,
    ordered,
    patiently,
    points_of,
)
from tests.migrate.killing_writers import Application, conserved, found_in, unique
from tests.repair.killing import Order, Point
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

LEAST = {
    "sqlite small": 30,
    "postgresql small": 30,
    "postgresql guarded": 60,
    "postgresql partitioned": 60,
    "mariadb guarded": 45,
}
"""How many points each part has at least, for apply and rollback together: one that lost its points is no proof."""


@dataclass
class Scene:
    """One database with its plan, and the process that forks the tool."""

    place: MigratePlace
    runner: MigrateRunner
    part: str
    points: list[str] = field(default_factory=list)
    quarantined: int = 0
    changes: int = 0
    began: float = field(default_factory=time.monotonic)

    def order(self, verb: str, point: Point | None = None) -> Order:
        return ordered(self.place, verb, point=point)

    def go_on(self, verb: str) -> str:
        """Go on to the end by a command; return what the catalog must show of the constraint then."""
        done = patiently(self.runner, self.order(verb))
        said = f"{self.part}, {self.points[-1:]}, {verb}: {done}"
        if verb == "rollback":
            # Killed before anything was written down there is nothing to roll back.
            assert done.code in (0, 4), said
            return "none"
        assert done.code == 0, said
        return "valid"

    def hold(self, application: Application, constraint: str) -> None:
        try:
            self._hold(application, constraint)
        except AssertionError as error:
            raise AssertionError(f"{self.part}, killed at {self.points[-1:]}: {error}") from error

    def _hold(self, application: Application, constraint: str) -> None:
        assert self.place.traces() == []
        assert self.place.constraint() == constraint
        found = found_in(self.place)
        self.quarantined += conserved(application.changes(), found, linked=self.place.linked)
        self.changes += len(application.changes())
        assert constraint == "none" or unique(found)
        told = self.runner.start(ordered(self.place, "status", "--format", "json")).completed()
        (table,) = json.loads(told.out)["tables"]
        assert not table["unfinished"], table
        assert (table["guard"], table["leftovers"]) == ("none", []), table
        assert {state for _kind, state, _rows in found.runs} <= {"done", "undone"}, found.runs
        assert (table["protecting"] is not None) == (constraint == "valid"), table

    def told(self, least: int, capsys: pytest.CaptureFixture[str]) -> None:
        """Print the figures, and see that they say something."""
        kinds = Counter(" ".join(point.split()[:3])[:32] for point in self.points)
        # On stderr: the stdout of an xdist worker goes nowhere.
        with capsys.disabled():
            print(  # noqa: T201 (figures of the run)
                f"\nkill points: migrate {self.part}: {len(self.points)} in {time.monotonic() - self.began:.0f} s,"
                f" {len(kinds)} kinds of statement; {self.changes:,} changes by the writers,"
                f" {self.quarantined:,} rows in quarantine",
                file=sys.stderr,
            )
        assert len(self.points) >= least, kinds
        assert self.changes > len(self.points), "the writers stood still"
        assert self.quarantined > len(self.points), "nothing was cleaned"


Make = Callable[[MigratePlace, str], Scene]


@pytest.fixture
def make(tmp_path: Path, clean_env: Mapping[str, str]) -> Iterator[Make]:
    (tmp_path / "dedupaudit.toml").write_text(CONFIG)
    with MigrateRunner(tmp_path, clean_env) as runner:

        def scene(place: MigratePlace, part: str) -> Scene:
            strategy = () if place.strategy == "partitioned" else ("--strategy", place.strategy)
            done = runner.start(ordered(place, "plan", *strategy)).completed()
            assert done.code == 0, done
            header = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
            assert (header["strategy"], header["found"]["removed"]) == (place.strategy, 12)
            return Scene(place, runner, part)

        yield scene


def kill_apply(scene: Scene, every: int = 1) -> None:
    """Kill an apply at each of its points; what goes on is killed too each third time, at a point that wanders."""
    scene.place.restore()
    whole = scene.runner.start(scene.order("apply"))
    assert whole.completed().code == 0, (scene.part, whole.completed())
    points = points_of(whole)
    for number, point in enumerate(points[every // 2 :: every]):
        scene.place.restore()
        with Application(scene.place, number) as application:
            child = scene.runner.start(scene.order("apply", point))
            done = child.completed()
            verb = "apply" if number % 2 else "rollback"
            if done.code != -signal.SIGKILL:
                # With the application's rows it went another way.
                assert done.code == 0, (scene.part, point, done)
            else:
                scene.points.append(child.point)
                if number % 3 == 0:
                    again = scene.runner.start(scene.order(verb, points[(number * 7 + 3) % len(points)]))
                    assert again.completed().code in (-signal.SIGKILL, 0, 4, 75), again.completed()
                    scene.points[-1] += f", and then {verb} at {again.point}"
            constraint = scene.go_on(verb)
        scene.hold(application, constraint)


def kill_rollback(scene: Scene, every: int = 1) -> None:
    """Kill a rollback in the same way; it goes on then."""
    scene.place.restore()
    assert scene.runner.start(scene.order("apply")).completed().code == 0
    whole = scene.runner.start(scene.order("rollback"))
    assert whole.completed().code == 0, (scene.part, whole.completed())
    for number, point in enumerate(points_of(whole)[every // 2 :: every]):
        scene.place.restore()
        with Application(scene.place, number) as application:
            applied = patiently(scene.runner, scene.order("apply"))
            assert applied.code == 0, (scene.part, applied)
            child = scene.runner.start(scene.order("rollback", point))
            done = child.completed()
            assert done.code in (-signal.SIGKILL, 0), (scene.part, point, done)
            if done.code:
                scene.points.append(child.point)
                scene.go_on("rollback")
        scene.hold(application, "none")


def kill_both(scene: Scene) -> None:
    kill_apply(scene)
    kill_rollback(scene)


# ---- in every run, a few


@pytest.mark.parametrize(("kill", "every"), [(kill_apply, 8), (kill_rollback, 4)], ids=["apply", "rollback"])
def test_sqlite_a_kill_leaves_the_constraint_or_nothing(
    kill: Callable[[Scene, int], None], every: int, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MigrateSqlite(tmp_path), f"sqlite {kill.__name__}, one point in {every}")
    kill(scene, every)
    scene.told(1, capsys)


@pytest.mark.parametrize("strategy", ["small", "guarded", "partitioned"])
def test_postgresql_a_kill_leaves_the_constraint_or_nothing(
    strategy: str, make: Make, postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MigratePostgresql(postgresql, strategy), f"postgresql {strategy}, one point in 20")
    kill_apply(scene, 20)
    scene.told(2, capsys)


def test_mariadb_a_kill_leaves_the_constraint_or_nothing(
    make: Make, mariadb: MariadbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MigrateMariadb(mariadb), "mariadb guarded, one point in 20")
    kill_apply(scene, 20)
    scene.told(2, capsys)


# ---- all of them


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills sqlite")
def test_sqlite_a_kill_at_any_statement_leaves_the_constraint_or_nothing(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MigrateSqlite(tmp_path), "sqlite small")
    kill_both(scene)
    scene.told(LEAST[scene.part], capsys)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills postgresql")
@pytest.mark.parametrize("strategy", ["small", "guarded", "partitioned"])
def test_postgresql_a_kill_at_any_statement_leaves_the_constraint_or_nothing(
    strategy: str, make: Make, postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MigratePostgresql(postgresql, strategy), f"postgresql {strategy}")
    kill_both(scene)
    scene.told(LEAST[scene.part], capsys)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills mariadb")
def test_mariadb_a_kill_at_any_statement_leaves_the_constraint_or_nothing(
    make: Make, mariadb: MariadbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MigrateMariadb(mariadb), "mariadb guarded")
    kill_both(scene)
    scene.told(LEAST[scene.part], capsys)


def test_no_part_of_the_matrix_is_missing() -> None:
    """Guards against a strategy that nobody kills: whoever adds one adds its part."""
    strategies = {strategy for place in set(DIALECTS.values()) for strategy in import_module(place).DIALECT.strategies}
    assert strategies == {part.split()[1] for part in LEAST}
