"""A demo that the tests only look at, built once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from dedupaudit.demo import Truth, build


@dataclass(frozen=True)
class Incident:
    """A built demo: its folder and its truth."""

    folder: Path
    truth: Truth


@pytest.fixture(scope="session")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Incident:
    """Return a demo of the usual size, which no test may change."""
    folder = tmp_path_factory.mktemp("demo") / "incident"
    return Incident(folder, build(folder))
