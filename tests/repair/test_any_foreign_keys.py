"""Any graph of references: each child follows to the row that stays, what would collide is left, and undo is exact."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from dedupaudit.config import TableSettings
from dedupaudit.errors import Refused
from tests.repair.databases import DATABASES, Database
from tests.repair.repairing import Repairing, small_chunks

ACTIONS = ("", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE RESTRICT")


@dataclass(frozen=True)
class Graph:
    """Rows of `t` (key, and the row that it refers to), and of three children; `chunk` is how many rows one has."""

    keys: tuple[str, ...]
    ups: tuple[int | None, ...]
    pairs: tuple[tuple[int | None, int | None], ...]
    """A child with two foreign keys to `t`."""
    named: tuple[tuple[int, int], ...]
    """A child whose primary key holds the foreign key."""
    grandchildren: tuple[int, ...]
    """Rows that refer to `pairs`."""
    actions: tuple[str, str, str]
    chunk: int

    @property
    def stays(self) -> dict[int, int]:
        """Return for each row the one that it should be merged into."""
        first: dict[str, int] = {}
        for number, key in enumerate(self.keys):
            first.setdefault(key, number)
        colliding = self.colliding
        return {number: number if key in colliding else first[key] for number, key in enumerate(self.keys)}

    @property
    def colliding(self) -> set[str]:
        """Return the keys whose children would collide."""
        found: dict[str, Counter[int]] = defaultdict(Counter)
        for parent, x in self.named:
            found[self.keys[parent]][x] += 1
        return {key for key, counts in found.items() if max(counts.values()) > 1 and self.keys.count(key) > 1}

    def make(self, database: Database) -> None:
        """Create and fill the tables."""
        first, second, third = self.actions
        self_key = f"FOREIGN KEY (up) REFERENCES t (id) {first}"
        database.run(
            database.table("t", ["id INTEGER NOT NULL PRIMARY KEY", f"k {database.text()}", "up INTEGER", self_key]),
            database.table(
                "pairs",
                ["n INTEGER NOT NULL PRIMARY KEY", "p INTEGER", "q INTEGER"]
                + [f"FOREIGN KEY ({name}) REFERENCES t (id) {second}" for name in "pq"],
            ),
            database.table(
                "named",
                ["p INTEGER NOT NULL", "x INTEGER NOT NULL", "PRIMARY KEY (p, x)"]
                + [f"FOREIGN KEY (p) REFERENCES t (id) {'' if 'NULL' in third else third}"],
            ),
            database.table("grandchildren", ["n INTEGER", "FOREIGN KEY (n) REFERENCES pairs (n) ON DELETE CASCADE"]),
        )
        database.insert("t", [(number, key, None) for number, key in enumerate(self.keys)])
        database.run(
            *(f"UPDATE t SET up = {up} WHERE id = {number}" for number, up in enumerate(self.ups) if up is not None)
        )
        database.insert("pairs", [(number, *pair) for number, pair in enumerate(self.pairs)])
        database.insert("named", self.named)
        database.insert("grandchildren", [(number,) for number in self.grandchildren])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph of a few rows, circles and all."""
    keys = tuple(draw(st.lists(st.sampled_from("aabbc"), min_size=2, max_size=10)))
    row = st.integers(0, len(keys) - 1)
    maybe = st.none() | row
    pairs = tuple(draw(st.lists(st.tuples(maybe, maybe), max_size=8)))
    grandchild = st.lists(st.integers(0, len(pairs) - 1), max_size=3) if pairs else st.just([])
    return Graph(
        keys=keys,
        ups=tuple(draw(st.lists(maybe, min_size=len(keys), max_size=len(keys)))),
        pairs=pairs,
        named=tuple(sorted(draw(st.sets(st.tuples(row, st.integers(0, 9)), max_size=6)))),
        grandchildren=tuple(draw(grandchild)),
        actions=draw(st.tuples(*[st.sampled_from(ACTIONS)] * 3)),
        chunk=draw(st.sampled_from([2, 3, 200])),
    )


def holds(database: Database, graph: Graph) -> None:
    """Apply and take back, and compare every row of every table."""
    with TemporaryDirectory(prefix="dedupaudit-test-") as folder, pytest.MonkeyPatch.context() as patch:
        # One line a key: of several lines each is repaired, or left, by itself.
        small_chunks(patch, graph.chunk, lines=False)
        repairing = Repairing(database, Path(folder), {"t": TableSettings(key=("k",), volatile=("id", "up"))})
        graph.make(database)
        note(str(graph))
        before, plan = database.dump(), repairing.plan()
        if len(set(graph.keys)) == len(graph.keys):
            with pytest.raises(Refused, match="removes no row"):
                repairing.apply(plan)
            return
        applied = repairing.apply(plan)
        assert applied.proof is not None
        assert applied.proof.holds
        assert (applied.exit_code == 3) == bool(graph.colliding)
        stays = graph.stays
        into = {None: None} | stays
        left = [(number, into[up]) for number, up in enumerate(graph.ups) if stays[number] == number]
        assert database.ask("SELECT id, up FROM t ORDER BY id") == left
        moved = [(number, into[p], into[q]) for number, (p, q) in enumerate(graph.pairs)]
        assert database.ask("SELECT n, p, q FROM pairs ORDER BY n") == moved
        named = sorted((stays[parent], x) for parent, x in graph.named)
        assert database.ask("SELECT p, x FROM named ORDER BY p, x") == named
        grandchildren = [(number,) for number in sorted(graph.grandchildren)]
        assert database.ask("SELECT n FROM grandchildren ORDER BY n") == grandchildren
        undone = repairing.undo()
        assert (undone.run.state, undone.left) == ("undone", 0)
        assert database.dump() == before


every_database = pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))


@every_database
@settings(max_examples=8)
@given(graph=graphs())
def test_any_references_follow_and_come_back(database: Database, graph: Graph) -> None:
    holds(database, graph)


@pytest.mark.slow
@pytest.mark.timeout(900)
@every_database
@settings(max_examples=100)
@given(graph=graphs())
def test_many_more_references_follow_and_come_back(database: Database, graph: Graph) -> None:
    holds(database, graph)
