"""The databases that orders are explored on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ingest.interleaving.exploring import MariadbPlace, Place, PostgresqlPlace, SqlitePlace


@pytest.fixture(scope="module", params=["postgresql", "mariadb", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Give each of the three databases with the target schema, and end its connections."""
    place: Place
    match request.param:
        case "postgresql":
            place = PostgresqlPlace(request.getfixturevalue("postgresql"))
        case "mariadb":
            place = MariadbPlace(request.getfixturevalue("mariadb"))
        case _:
            place = SqlitePlace(tmp_path_factory.mktemp("interleaving"))
    try:
        yield place
    finally:
        place.close()
