"""A drill in miniature: few IDs, few writers, and a clock that runs another five times as fast."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from dedupaudit.config import DatabaseSettings
from dedupaudit.drill.protocol import DrillResult, Strategy, StrategyResult, Times
from dedupaudit.drill.run import DrillRequest, drill
from dedupaudit.drill.scenario import ENOUGH_IDS
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.urls import parse_database_url

FAST = Times(lock=0.15, slow_upload=0.4, client_timeout=0.8, lease=0.5, wait=1.2, hesitation=0.01)
WRITERS = 6


def request(url: str, strategies: Sequence[Strategy] = (), **more: object) -> DrillRequest:
    """Return a small request."""
    database = DatabaseSettings("db", parse_database_url(url))
    given: dict[str, object] = {"writers": WRITERS, "ids": ENOUGH_IDS, "times": FAST, **more}
    return DrillRequest(database, tuple(strategies), **given)  # type: ignore[arg-type]  # each test knows its own


def drilled(url: str, strategies: Sequence[Strategy] = (), **more: object) -> DrillResult:
    """Run a small drill."""
    return drill(request(url, strategies, **more), interrupt=Interrupt(), progress=SILENT)


def by_name(result: DrillResult) -> dict[str, StrategyResult]:
    """Return what came of each strategy."""
    return {one.strategy.name: one for one in result.strategies}


def seen(result: StrategyResult) -> set[str]:
    """Return what kinds of holes were seen."""
    return {hole.what for hole in result.holes}


def sqlite_file(folder: Path) -> str:
    """Return the URL of a user's file, which a drill never writes to."""
    path = folder / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (a)")
    return f"sqlite:///{path}"
