"""Each seeded mistake is found, on each database, and told by the order that it breaks in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dedupaudit.ingest.tables import Table
from dedupaudit.ingest.writers import ActivityWriter
from tests.ingest.interleaving.activities import Activities
from tests.ingest.interleaving.cases import CASES
from tests.ingest.interleaving.exploring import Place
from tests.ingest.interleaving.seeded import SEEDED, LookThenInsert
from tests.ingest.interleaving.uploads import Uploads


@pytest.mark.parametrize("name", SEEDED)
def test_a_mistake_of_the_upload_is_found(place: Place, tmp_path: Path, name: str) -> None:
    seeded = SEEDED[name]
    with seeded.patch(), Uploads(place, tmp_path, seeded.make) as uploads:
        explored = uploads.explore(**CASES[seeded.case], switches=2, until_broken=True)
    assert explored.broken, f"not found in {explored}"
    assert seeded.problem in str(explored.broken[0]).splitlines()[0], explored


@pytest.fixture
def bare(place: Place) -> Iterator[Activities]:
    place.rows("DROP TABLE IF EXISTS bare")
    json = {"postgresql": "jsonb", "mariadb": "json"}.get(place.name, "text")
    place.rows(f"CREATE TABLE bare (id varchar(99), device_id varchar(99), type text, timestamp bigint, data {json})")
    with Activities(
        place, lambda client: ActivityWriter(client.engine, Table(("bare",)), LookThenInsert()), "bare"
    ) as made:
        yield made


def test_an_insert_after_a_look_is_found(place: Place, bare: Activities) -> None:
    explored = bare.explore({"A": [("", 1)], "B": [("", 1)]}, until_broken=True)
    if place.name == "sqlite":
        # BEGIN IMMEDIATE lets nobody in between the look and the insert.
        assert not explored.broken, explored
        return
    assert explored.broken, f"not found in {explored}"
    first, *steps, last = str(explored.broken[0]).splitlines()
    assert first == "2 rows of one ID; 2 were told that they stored it"
    assert last == "A answered stored, B answered stored"
    assert sorted(" ".join(step.split()[:2]) for step in steps) == [
        "A: COMMIT", "A: INSERT", "A: SELECT", "B: COMMIT", "B: INSERT", "B: SELECT"
    ]  # fmt: skip
