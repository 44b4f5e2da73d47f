"""Every test here is the fake OSS's own user."""

from __future__ import annotations

import pytest

from tests.sources.objects.asking import be


@pytest.fixture(autouse=True)
def known_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OSS_CREDENTIALS_FILE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    be(monkeypatch)
