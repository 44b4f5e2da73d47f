"""The fake OSS for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.oss.server import FakeOss


@pytest.fixture
def oss() -> Iterator[FakeOss]:
    """Return a running OSS with one empty bucket, `pictures`, in the region `cn-hangzhou`."""
    with FakeOss() as server:
        yield server
