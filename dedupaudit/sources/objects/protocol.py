"""What an object store must be able to say. A next store implements this in a file of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol


class ObjectFact(NamedTuple):
    """One object as a listing tells it.

    `key` is whole, from the bucket's root; bytes that are not UTF-8 (names of local files) are kept by surrogateescape.
    `modified` is microseconds since the epoch; OSS knows whole seconds. `etag` has no quotes and is upper case, None
    where the source has none; only where `is_md5` holds is it an MD5 of the content.
    """

    key: str
    size: int
    modified: int
    etag: str | None
    is_md5: bool


class Leftover(NamedTuple):
    """A multipart upload that was begun and neither completed nor aborted: its `parts` take up `size` paid-for bytes.

    `initiated` is microseconds since the epoch.
    """

    key: str
    upload_id: str
    initiated: int
    parts: int
    size: int


@dataclass
class Requests:
    """How many requests were sent, by kind; each attempt counts, because each is billed. Mutable: it counts on."""

    list: int = 0
    head: int = 0
    other: int = 0


@dataclass(frozen=True)
class Patience:
    """How long a store is borne with: attempts for one request, and the seconds between them (doubling, with jitter).

    A store that never answered yet gets `first_attempts` only: a wrong address should not take a minute to be told.
    """

    attempts: int = 8
    first_attempts: int = 3
    pause: float = 0.2
    longest_pause: float = 10.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0


@dataclass(frozen=True)
class Asking:
    """How a store is asked: who asks, how often, and how many ranges of keys side by side.

    `credentials` is `auto`, `environment`, `file:PATH` or `ecs:ROLE`; `auto` never asks the network for them.
    """

    credentials: str = "auto"
    signature: Literal["v4", "v1"] = "v4"
    qps: float | None = None
    threads: int = 8
    patience: Patience = Patience()


class ObjectSource(Protocol):
    """A bucket, or the part of one below a prefix, that is only read.

    Every method raises SourceError where the store fails or refuses, and Cancelled when a signal came.
    """

    shown: str
    """How reports name it: `oss://bucket/prefix/`; no secret is in it."""
    requests: Requests

    def preflight(self) -> None:
        """Prove by one request that the store, the credentials and the prefix can be read."""

    def pages(self, splits: Sequence[str] = ()) -> Iterator[list[ObjectFact]]:
        """Yield every object below the prefix, page by page; with splits, key ranges are listed side by side.

        Within a range the order of the keys is asserted. Nothing is left out silently: a listing that errors, ends
        early or comes out of order raises SourceError.
        """

    def look(self, key: str) -> ObjectFact | None:
        """Look at one object now. None only where it is certainly not there; SourceError where that cannot be said."""

    def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
        """List a range of keys again, both ends included."""

    def leftovers(self) -> Iterator[Leftover]:
        """Yield the interrupted multipart uploads below the prefix."""

    def close(self) -> None:
        """End the connections."""
