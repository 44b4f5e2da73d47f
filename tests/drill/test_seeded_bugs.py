"""The drill's own verdicts: a backend that holds, and each of its guards taken away, which has to be seen."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dedupaudit.drill.protocol import StrategyResult
from tests.drill.drilling import by_name, drilled, seen, sqlite_file
from tests.drill.seeded import FLAWS, strategy
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

# What is certainly seen; more may be.
HOLES = {
    "claim": {"double_uploads"},
    "lease": {"double_uploads"},
    "token": {"wrong_answers"},
    "overwrite": {"wrong_answers", "double_uploads"},
    "payload": {"lost", "wrong_answers"},
    "every_violation": {"lost", "wrong_answers"},
    "sweep": {"stuck"},
    "row_first": {"wrong_answers"},
    "uncommitted": {"lost", "wrong_answers"},
}


# What the state machine's proofs rest on; the others take their time in `make test-slow`.
FIRST = ("claim", "token", "overwrite")


def each(url: str, flaws: Iterable[str]) -> dict[str, StrategyResult]:
    return by_name(drilled(url, [strategy(flaw) for flaw in ("none", *flaws)]))


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StrategyResult]:
    return each(sqlite_file(tmp_path_factory.mktemp("seeded")), FIRST)


def test_every_flaw_is_tried() -> None:
    assert set(FLAWS) == set(HOLES)


def test_a_backend_with_all_its_guards_holds(on_sqlite: dict[str, StrategyResult]) -> None:
    held = on_sqlite["without-none"]
    assert (held.verdict, held.holes, held.reason) == ("holds", (), "")


@pytest.mark.parametrize("flaw", FIRST)
def test_a_guard_that_is_missing_is_seen(on_sqlite: dict[str, StrategyResult], flaw: str) -> None:
    result = on_sqlite[f"without-{flaw}"]
    assert result.verdict == "broken"
    assert HOLES[flaw] <= seen(result), result


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_guard_that_is_missing_is_seen_on_servers_too(
    kind: str, postgresql: PostgresqlServer, mariadb: MariadbServer
) -> None:
    server, flaws = (postgresql, set(HOLES) - set(FIRST)) if kind == "postgresql" else (mariadb, FIRST)
    results = each(server.create_database("seeded"), sorted(flaws))
    assert results.pop("without-none").verdict == "holds"
    for name, result in results.items():
        assert result.verdict == "broken"
        assert HOLES[name.removeprefix("without-")] <= seen(result), result
