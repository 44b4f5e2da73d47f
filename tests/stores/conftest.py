"""The stores under one suite: a folder, a folder on a file system without unnamed files, and the fake OSS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dedupaudit.interrupt import Interrupt
from dedupaudit.stores import open_store
from dedupaudit.stores.oss import OssStore
from dedupaudit.stores.protocol import ObjectStore
from tests.oss.server import FakeOss
from tests.sources.objects.asking import QUICK, be


@pytest.fixture(autouse=True)
def known_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OSS_CREDENTIALS_FILE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    be(monkeypatch)


@pytest.fixture
def bucket(oss: FakeOss) -> Iterator[OssStore]:
    """Give the bucket of the fake OSS as a store that does not wait between attempts."""
    store = OssStore("oss://pictures", oss.endpoint, oss.region, Interrupt(), QUICK)
    yield store
    store.close()


@pytest.fixture(params=["folder", "folder without unnamed files", "oss"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """Give an empty store."""
    if request.param == "oss":
        yield request.getfixturevalue("bucket")
        return
    if "without" in request.param:
        monkeypatch.setattr("dedupaudit.stores.local._open_unnamed", lambda folder: None)
    opened = open_store(f"file://{tmp_path}")
    yield opened
    opened.close()
