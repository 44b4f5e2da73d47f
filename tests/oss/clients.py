"""The real client, oss2, for the fake OSS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import oss2

from tests.oss.server import DEFAULT
from tests.oss.signatures import Credentials


class Server(Protocol):
    """What a client must know of a server, whichever process it runs in."""

    region: str

    @property
    def endpoint(self) -> str:
        """The address."""
        ...


@contextmanager
def bucket_of(
    server: Server,
    version: int = 4,
    name: str = "pictures",
    credentials: Credentials = DEFAULT,
    region: str | None = None,
    token: str | None = None,
) -> Iterator[oss2.Bucket]:
    """Give oss2's bucket, signing as `version` says, and close its connections in the end."""
    given = credentials.token if token is None else token
    provider = oss2.credentials.StaticCredentialsProvider(credentials.key_id, credentials.secret, given)
    auth = oss2.ProviderAuthV4(provider) if version == 4 else oss2.ProviderAuth(provider)
    session = oss2.Session()
    try:
        yield oss2.Bucket(
            auth, server.endpoint, name, region=region or server.region, session=session, connect_timeout=10
        )
    finally:
        session.session.close()
