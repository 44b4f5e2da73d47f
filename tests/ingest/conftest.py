"""What tests of the writers share: an empty database with the target schema, on each of the three."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingest.databases import NAMES, Database, open_database


@pytest.fixture(params=NAMES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give an empty database with the target schema; a test may ask for one alone: `indirect`."""
    opened = open_database(request.param, tmp_path)
    yield opened
    opened.engine.dispose()
