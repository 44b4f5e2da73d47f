"""What the tests of faults share: a database with its plan, the tool that stops where it is told, and whole states."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from dedupaudit.times import iso, parse_time
from tests.conftest import Completed
from tests.repair.equation import PlannedGroup, Sum, conserved, read_plan
from tests.repair.killing import Child, Order, Point, Runner
from tests.repair.killing_tables import (
    CONFIG,
    ROWS,
    TAGS,
    MariadbPlace,
    Place,
    PostgresqlPlace,
    Row,
    Session,
    SqlitePlace,
    State,
    state_of,
)
from tests.repair.writers import Change
from tests.servers.fixtures import shared_mariadb, shared_postgresql

CHUNK = r"^DELETE FROM \S*uploads\W"
"""The statement of each chunk that removes rows."""
COMMITTED = "^COMMIT"
_PATIENCE = 60.0


_BEFORE = {"sqlite": 2, "postgresql": 1, "mariadb": 0}
"""COMMITs before a new run's first chunk: of the tool's tables, and of SQLite's lease."""


@dataclass
class Bed:
    """A database as it was planned; every test gets it fresh."""

    place: Place
    runner: Runner
    folder: Path
    plan: tuple[PlannedGroup, ...]

    def apply(self, *options: str, plan: str = "p.jsonl", url: str = "") -> Order:
        common = ("--confirm", "uploads", "--db", url or self.place.url)
        return Order(("repair", "apply", plan, *common, *options))

    def undo(self, *options: str, url: str = "") -> Order:
        common = ("--confirm", "uploads", "--db", url or self.place.url)
        return Order(("repair", "undo", "last", *common, *options))

    def run(self, order: Order) -> Completed:
        """Run the tool to its end."""
        return self.runner.start(order).completed()

    def resumed(self, order: Order) -> Completed:
        """Run the tool to its end, again as long as a session that died still has the lock."""
        until = time.monotonic() + _PATIENCE
        while (done := self.run(order)).code == 75 and time.monotonic() < until:
            time.sleep(0.1)
        return done

    @contextmanager
    def stopped(self, order: Order, nth: int, text: str, number: int = 19) -> Iterator[Child]:
        """Start the tool and wait until it stands still at a point; when the test is over it is gone."""
        child = self.runner.start(replace(order, point=Point(nth, text, number)))
        try:
            assert child.wait_until_stopped(), child.completed()
            yield child
        finally:
            child.end()

    def stopped_after(self, chunk: int, order: Order) -> AbstractContextManager[Child]:
        """Start an apply that stands still after a chunk's commit, when nothing is locked."""
        return self.stopped(order, _BEFORE[self.place.name] + chunk, COMMITTED)

    @contextmanager
    def session(self) -> Iterator[Session]:
        session = self.place.connect()
        try:
            yield session
        finally:
            session.close()

    def do(self, *statements: str) -> None:
        """Run statements as somebody who may."""
        with self.session() as session:
            for statement in statements:
                session.ask(statement)

    def end_sessions(self) -> None:
        """End the tool's sessions on the server, as an administrator does."""
        if isinstance(self.place, PostgresqlPlace):
            self.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dedupaudit'")
        elif isinstance(self.place, MariadbPlace):
            for (number,) in self.ask(
                "SELECT id FROM information_schema.processlist WHERE db = 'faults' AND host LIKE '127.0.0.1:%'"
            ):
                self.do(f"KILL CONNECTION {number}")

    def ask(self, query: str) -> list[Row]:
        with self.session() as session:
            return session.ask(query)

    def state(self) -> State:
        return state_of(self.place)

    def holds(self, state: str | None, changes: Sequence[Change] = ()) -> Sum:
        """Assert the equation of conservation."""
        return conserved(self.plan, changes, self.state(), state=state)

    def is_untouched(self) -> bool:
        """Say whether both tables are as they were when the plan was made."""
        now = self.state()
        return now.uploads == {row[0]: row for row in ROWS} and now.tags == {row[0]: row for row in TAGS}

    def redated(self, by: timedelta, name: str = "redated.jsonl") -> str:
        """Write the plan anew, made earlier or later, and otherwise in order."""
        header, *groups, end = (self.folder / "p.jsonl").read_text().splitlines()
        told = json.loads(header)
        made = parse_time(told["created_at"])
        assert made is not None
        told["created_at"] = iso(made + round(by.total_seconds() * 1_000_000))
        lines = [json.dumps(told, separators=(",", ":")), *groups]
        digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        last = {**json.loads(end), "sha256": digest}
        (self.folder / name).write_text("\n".join([*lines, json.dumps(last, separators=(",", ":"))]) + "\n")
        return name


def make_bed(name: str, folder: Path) -> Iterator[Bed]:
    """Plan the repair of a database of that name, and give what a test needs."""
    place: Place
    match name:
        case "sqlite":
            place = SqlitePlace(folder)
        case "postgresql":
            place = PostgresqlPlace(shared_postgresql(), "faults")
        case _:
            place = MariadbPlace(shared_mariadb(), "faults")
    (folder / "dedupaudit.toml").write_text(CONFIG)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    with Runner(folder, env) as runner:
        plan = ("repair", "plan", "uploads", "-o", "p.jsonl", "--max-delete", "90%", "--db", place.url)
        done = runner.run(*plan)
        assert done.code == 0, done
        yield Bed(place, runner, folder, read_plan(folder / "p.jsonl"))


def wait_for(happened: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < until, "it does not happen"
        # Not faster: InnoDB shows its transactions anew only to one who did not look for a tenth of a second.
        time.sleep(0.15)
