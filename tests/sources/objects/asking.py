"""How the tests ask the fake OSS: as its own credentials, and without waiting between attempts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects.oss import OssSource
from dedupaudit.sources.objects.protocol import Asking, ObjectFact, Patience
from tests.oss.server import DEFAULT, FakeOss
from tests.oss.signatures import Credentials

QUICK = Asking(patience=Patience(attempts=4, pause=0.001, longest_pause=0.002, connect_timeout=5, read_timeout=5))

HOSTILE = sorted(
    [
        *("%", "%2F", "%25", "a b", "a+b", "a//b", "../a", "./a", "a/../b", "a&b=c?d#e", "<&>\"'", "tab\tnew\nline"),
        *(
            "control\x01\x7f",
            "\U0001f4f7.jpg",
            "\uffef",
            "\ue000",
            "照片/图.jpg",
            "a",
            "a-b",
            "a/b",
            "A",
            "~",
            "k" * 1023,
        ),
        *("é", "e\u0301", " lead", "trail ", "\u202e"),
    ]
)


def be(monkeypatch: pytest.MonkeyPatch, credentials: Credentials = DEFAULT, token: str | None = None) -> None:
    """Put credentials into the environment."""
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", credentials.key_id)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", credentials.secret)
    given = credentials.token if token is None else token
    if given:
        monkeypatch.setenv("OSS_SESSION_TOKEN", given)
    else:
        monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)


@contextmanager
def source_of(
    server: FakeOss,
    url: str = "oss://pictures/",
    region: str | None = "cn-hangzhou",
    endpoint: str | None = None,
    asking: Asking = QUICK,
    **changes: object,
) -> Iterator[OssSource]:
    """Open a source of the fake OSS, and close it in the end."""
    made = OssSource(url, endpoint or server.endpoint, region, Interrupt(), replace(asking, **changes))  # type: ignore[arg-type]  # names and types are Asking's
    try:
        yield made
    finally:
        made.close()


def keys_of(pages: Iterable[list[ObjectFact]]) -> list[str]:
    """Return the keys in the order that they came in."""
    return [fact.key for page in pages for fact in page]
