"""The kill matrix: the tool killed after every statement, the server at every chunk, while four writers go on.

Afterwards the same command resumes, or `undo` takes back, in turn; and the whole equation of conservation holds.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import Completed
from tests.repair.equation import PlannedGroup, Sum, conserved, read_plan
from tests.repair.killing import Order, Point, Runner
from tests.repair.killing_tables import CONFIG, MariadbPlace, Place, PostgresqlPlace, SqlitePlace, state_of
from tests.repair.writers import Writers
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

VERBS = ("apply", "undo", "plain apply")
"""`plain` is a table that nobody refers to: a repair takes a shorter way there."""

LEAST = {
    "sqlite apply": 60,
    "sqlite undo": 40,
    "sqlite plain apply": 40,
    "postgresql apply": 60,
    "postgresql undo": 40,
    "postgresql plain apply": 40,
    "postgresql server": 20,
    "mariadb apply": 60,
    "mariadb undo": 40,
    "mariadb plain apply": 40,
    "mariadb server": 20,
}
"""How many points each part has at least: a part that lost its points is no proof any more."""

_APPLYING = (r"^INSERT INTO \S*quarantine_uploads", r"^DELETE FROM \S*uploads\W", r"^before COMMIT")
_UNDOING = (r"^INSERT INTO \S*\.\W?uploads\W", r"^before COMMIT")

# What is committed must be there after a SIGKILL of the server, and no page may be half written.
_POSTGRESQL = {"synchronous_commit": "on", "full_page_writes": "on"}
_MARIADB = {"innodb-flush-log-at-trx-commit": "2", "innodb-doublewrite": "ON"}


@dataclass
class Scene:
    """One database with its plan, and the process that forks the tool."""

    place: Place
    runner: Runner
    plan: tuple[PlannedGroup, ...]
    part: str
    points: list[str] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    refused: int = 0

    def order(self, verb: str, point: Point | None = None) -> Order:
        what = ("apply", "p.jsonl") if verb == "apply" else ("undo", "last", "--leave-changed")
        return Order(("repair", *what, "--confirm", "uploads", "--db", self.place.url), point)

    def run(self, verb: str) -> Completed:
        """Run the command as a user would after a crash: again, as long as the dead session has the lock."""
        until = time.monotonic() + 30
        while True:
            done = self.runner.start(self.order(verb)).completed()
            if done.code != 75 or time.monotonic() > until:
                return done
            time.sleep(0.05)

    def state(self) -> str | None:
        runs = state_of(self.place).runs
        return str(runs[-1]["state"]) if runs else None

    def settle(self, verb: str) -> str | None:
        """Go on to the end by a command; return the state in which the run must be then."""
        before = self.state()
        done = self.run(verb)
        said = f"{self.part}, {self.points[-1:]}: {done}"
        if verb == "apply":
            assert done.code in (0, 3), said
            return "done"
        if before is None:
            assert done.code == 4, said
            return None
        assert done.code == 5 if before == "undone" else done.code in (0, 3), said
        return "undone"

    def hold(self, writers: Writers, state: str | None) -> None:
        try:
            self.sums.append(
                conserved(self.plan, writers.changes(), state_of(self.place), state=state, linked=self.place.linked)
            )
        except AssertionError as error:
            raise AssertionError(f"{self.part}, killed at {self.points[-1:]}: {error}") from error
        self.refused += writers.refused

    def told(self, least: int, capsys: pytest.CaptureFixture[str]) -> None:
        """Print the figures, and see that they say something."""
        kinds = Counter(" ".join(point.split()[:3])[:32] for point in self.points)
        done, skipped = sum(one.done for one in self.sums), sum(one.skipped for one in self.sums)
        changes = sum(one.changes for one in self.sums)
        # On stderr: the stdout of an xdist worker goes nowhere.
        with capsys.disabled():
            print(  # noqa: T201 (figures of the run)
                f"\nkill points: {self.part}: {len(self.points)} in {time.monotonic() - self.began:.0f} s, {len(kinds)}"
                f" kinds of statement; {changes:,} changes by the writers, {self.refused:,} refused;"
                f" {done:,} groups done, {skipped:,} skipped",
                file=sys.stderr,
            )
        assert len(self.points) >= least, kinds
        assert changes > 10 * len(self.points), "the writers stood still"


Make = Callable[[Place, str], Scene]


@pytest.fixture
def make(tmp_path: Path, clean_env: Mapping[str, str]) -> Iterator[Make]:
    (tmp_path / "dedupaudit.toml").write_text(CONFIG)
    with Runner(tmp_path, clean_env) as runner:

        def scene(place: Place, part: str) -> Scene:
            plan = ("repair", "plan", "uploads", "-o", "p.jsonl", "--max-delete", "90%", "--db", place.url)
            done = runner.run(*plan)
            assert done.code == 0, done
            groups = read_plan(tmp_path / "p.jsonl")
            assert len(groups) == 8
            assert sum(len(group.taken) for group in groups) == 2
            return Scene(place, runner, groups, part)

        yield scene


@pytest.fixture(scope="module")
def strict_postgresql() -> Iterator[PostgresqlServer]:
    with PostgresqlServer(settings=_POSTGRESQL) as server:
        yield server


@pytest.fixture(scope="module")
def strict_mariadb() -> Iterator[MariadbServer]:
    with MariadbServer(settings=_MARIADB) as server:
        yield server


def kill_apply(scene: Scene, every: int = 1) -> None:
    """Kill an apply after the first statement, the second, and so on, until one gets to its end."""
    nth = 1
    while True:
        scene.place.restore()
        with Writers(scene.place, nth) as writers:
            child = scene.runner.start(scene.order("apply", Point(nth)))
            done = child.completed()
            if done.code != -signal.SIGKILL:
                assert done.code in (0, 3), done
                state: str | None = "done"
            else:
                scene.points.append(child.point)
                state = scene.settle("apply" if len(scene.points) % 2 else "undo")
        scene.hold(writers, state)
        if done.code != -signal.SIGKILL:
            return
        nth += every


def kill_undo(scene: Scene, every: int = 1) -> None:
    """Kill an undo in the same way; every other time an apply comes between, which must not make it worse."""
    nth = 1
    while True:
        scene.place.restore()
        with Writers(scene.place, nth) as writers:
            applied = scene.run("apply")
            assert applied.code in (0, 3), applied
            child = scene.runner.start(scene.order("undo", Point(nth)))
            done = child.completed()
            if done.code != -signal.SIGKILL:
                assert done.code in (0, 3), done
            else:
                scene.points.append(child.point)
                if len(scene.points) % 2 and (state := scene.state()) != "undone":
                    between = scene.run("apply")
                    assert between.code == 5 if state == "undoing" else between.code in (0, 3), between
                scene.settle("undo")
        scene.hold(writers, "undone")
        if done.code != -signal.SIGKILL:
            return
        nth += every


# ---- the tool


def test_all_parts_together_have_at_least_300_points() -> None:
    assert sum(LEAST.values()) >= 300


@pytest.mark.parametrize("kill", [kill_apply, kill_undo], ids=["apply", "undo"])
def test_a_kill_of_the_tool_loses_nothing(
    kill: Callable[[Scene, int], None], make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(SqlitePlace(tmp_path), f"sqlite {kill.__name__}, one statement in five")
    kill(scene, 5)
    scene.told(10, capsys)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills sqlite")
@pytest.mark.parametrize("verb", VERBS)
def test_sqlite_a_kill_of_the_tool_at_any_statement_loses_nothing(
    verb: str, make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(SqlitePlace(tmp_path, linked=verb != "plain apply"), f"sqlite {verb}")
    (kill_undo if verb == "undo" else kill_apply)(scene)
    scene.told(LEAST[scene.part], capsys)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills postgresql")
@pytest.mark.parametrize("verb", VERBS)
def test_postgresql_a_kill_of_the_tool_at_any_statement_loses_nothing(
    verb: str, make: Make, strict_postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(PostgresqlPlace(strict_postgresql, linked=verb != "plain apply"), f"postgresql {verb}")
    (kill_undo if verb == "undo" else kill_apply)(scene)
    scene.told(LEAST[scene.part], capsys)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills mariadb")
@pytest.mark.parametrize("verb", VERBS)
def test_mariadb_a_kill_of_the_tool_at_any_statement_loses_nothing(
    verb: str, make: Make, strict_mariadb: MariadbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MariadbPlace(strict_mariadb, linked=verb != "plain apply"), f"mariadb {verb}")
    (kill_undo if verb == "undo" else kill_apply)(scene)
    scene.told(LEAST[scene.part], capsys)


# ---- the server


class Server(Protocol):
    """A private server that may be killed."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


def start_again(server: Server) -> None:
    """Start a server that was killed, as soon as the last of its processes is gone."""
    until = time.monotonic() + 30
    while True:
        try:
            server.start()
            return
        except AssertionError as error:
            if "pre-existing shared memory" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.1)


def kill_server(scene: Scene, server: Server, verb: str) -> None:
    """Kill the server in each chunk, at each of its moments in turn: the tool waits at the moment, and then goes on.

    At `before COMMIT` it goes on first, so that the server dies while it commits: whether it did, nobody was told.
    """
    moments = _APPLYING if verb == "apply" else _UNDOING
    for moment in moments:
        nth = 1
        while True:
            scene.place.restore()
            with Writers(scene.place, len(scene.points)) as writers:
                if verb == "undo":
                    applied = scene.run("apply")
                    assert applied.code in (0, 3), applied
                child = scene.runner.start(scene.order(verb, Point(nth, moment, signal.SIGSTOP)))
                reached = child.wait_until_stopped()
                if reached:
                    racing = "COMMIT" in moment
                    if racing:
                        child.go_on()
                        time.sleep(0.001 * (nth % 3))
                    server.kill()
                    if not racing:
                        child.go_on()
                    done = child.completed()
                    # A race may be lost: then it was in a later statement, or through.
                    assert done.code == 6 or (racing and done.code in (0, 3)), (moment, nth, done)
                    scene.points.append(child.point)
                    start_again(server)
                    state = scene.settle("apply" if verb == "apply" and len(scene.points) % 2 else "undo")
                else:
                    done = child.completed()
                    assert done.code in (0, 3), done
                    state = "done" if verb == "apply" else "undone"
            scene.hold(writers, state)
            if not reached:
                break
            nth += 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills postgresql")
def test_postgresql_a_kill_of_the_server_in_any_chunk_loses_nothing(
    make: Make, strict_postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(PostgresqlPlace(strict_postgresql), "postgresql server")
    kill_server(scene, strict_postgresql, "apply")
    kill_server(scene, strict_postgresql, "undo")
    scene.told(LEAST[scene.part], capsys)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("kills mariadb")
def test_mariadb_a_kill_of_the_server_in_any_chunk_loses_nothing(
    make: Make, strict_mariadb: MariadbServer, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make(MariadbPlace(strict_mariadb), "mariadb server")
    kill_server(scene, strict_mariadb, "apply")
    kill_server(scene, strict_mariadb, "undo")
    scene.told(LEAST[scene.part], capsys)
