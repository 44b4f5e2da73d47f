"""What several tests of migrations share: a place to be migrated, with a plan, and what runs commands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.migrate.killing import (
    CONFIG,
    MigrateMariadb,
    MigratePlace,
    MigratePostgresql,
    MigrateRunner,
    MigrateSqlite,
    ordered,
)
from tests.servers.fixtures import shared_mariadb, shared_postgresql


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> MigratePlace:
    """Give the place that a test is parametrized with, indirectly: sqlite, postgresql or mariadb."""
    (tmp_path / "dedupaudit.toml").write_text(CONFIG)
    match request.param:
        case "sqlite":
            return MigrateSqlite(tmp_path)
        case "postgresql":
            return MigratePostgresql(shared_postgresql(), "guarded", "mfaults")
        case _:
            return MigrateMariadb(shared_mariadb(), "mfaults")


@pytest.fixture
def runner(place: MigratePlace, tmp_path: Path, clean_env: Mapping[str, str]) -> Iterator[MigrateRunner]:
    """Give what runs commands there; the plan is made."""
    with MigrateRunner(tmp_path, clean_env) as runner:
        planned = runner.start(ordered(place, "plan", "--strategy", place.strategy)).completed()
        assert planned.code == 0, planned
        yield runner
