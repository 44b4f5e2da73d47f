"""A bucket of OSS, or what lies below a prefix of one: listed in ranges side by side, looked at object by object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.objects import oss_credentials, oss_uploads
from dedupaudit.sources.objects.oss_connection import OssConnection
from dedupaudit.sources.objects.oss_endpoint import parse_endpoint
from dedupaudit.sources.objects.oss_errors import Action, Answer, Place, details
from dedupaudit.sources.objects.oss_listing import LONGEST_KEY, KeyRange, ask_page, list_again, list_range
from dedupaudit.sources.objects.protocol import Asking, Leftover, ObjectFact
from dedupaudit.sources.objects.side_by_side import side_by_side
from dedupaudit.times import to_micros

T = TypeVar("T")
_URL = re.compile(r"oss://([A-Za-z0-9._-]+)(?:/(.*))?", re.DOTALL)
# What OSS puts into x-oss-ec where a HEAD finds nothing, besides the code in x-oss-err.
_NO_KEY, _NO_BUCKET = "0026-00000001", "0015-00000101"


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and prefix (or key) of an oss:// URL; raises UsageError."""
    match = _URL.fullmatch(url)
    if not match:
        raise UsageError("this is no URL of a bucket", "write oss://BUCKET/PREFIX/; credentials do not belong there")
    return match[1], match[2] or ""


class OssSource:
    """An ObjectSource; see protocol.py."""

    def __init__(
        self, url: str, endpoint: str | None, region: str | None, interrupt: Interrupt, asking: Asking | None = None
    ) -> None:
        asking = asking or Asking()
        bucket, self._prefix = split_url(url)
        where = parse_endpoint(endpoint, region)
        keys = oss_credentials.choose(asking.credentials)
        place = Place(visible(bucket), visible(str(where)), visible(where.region), keys.described)
        self.shown = f"oss://{place.bucket}/{visible(self._prefix) if self._prefix else ''}"
        self._interrupt = interrupt
        self._threads = max(1, asking.threads)
        self.connection = OssConnection(bucket, where, keys, place, asking, interrupt)
        self.requests = self.connection.requests
        self._proven = False
        self._ranges: list[KeyRange] = []

    def preflight(self) -> None:
        self._waiting(partial(ask_page, self.connection, self._prefix, "", size=1))
        self._proven = True

    def pages(self, splits: Sequence[str] = ()) -> Iterator[list[ObjectFact]]:
        bounds = sorted({split for split in splits if is_possible(split)})
        self._ranges = [KeyRange(after, until) for after, until in zip(["", *bounds], [*bounds, None], strict=True)]
        return self.resume()

    def resume(self) -> Iterator[list[ObjectFact]]:
        """Go on with the listing that failed, behind the last page of each range that was taken in."""
        jobs = [partial(self._listed, keys) for keys in self._ranges if not keys.done]
        for keys, page, ended in side_by_side(jobs, self._threads, self._interrupt):
            # Only what the consumer was given counts: pages that waited in a queue are asked for again.
            if page:
                keys.last = page[-1].key
            keys.done = ended
            if page:
                yield page
        self._proven = True

    def _listed(self, keys: KeyRange) -> Iterator[tuple[KeyRange, list[ObjectFact], bool]]:
        reading = KeyRange(keys.last, keys.until)
        for page in list_range(self.connection, self._prefix, reading):
            yield keys, page, reading.done
        yield keys, [], True

    def look(self, key: str) -> ObjectFact | None:
        if not is_possible(key):
            return None
        if not self._proven:
            self.preflight()
        if key in (".", ".."):
            # As the path of a URL these mean something else, so they are listed.
            page = self._waiting(partial(ask_page, self.connection, key, "", size=1))
            return next((fact for fact in page.objects if fact.key == key), None)
        return self._waiting(partial(look_at, self.connection, key))

    def again(self, first: str, last: str) -> Iterator[list[ObjectFact]]:
        below = first.startswith(self._prefix) and last.startswith(self._prefix)
        prefix = self._prefix if below else ""
        return side_by_side([partial(list_again, self.connection, prefix, first, last)], 1, self._interrupt)

    def leftovers(self) -> Iterator[Leftover]:
        jobs = [partial(oss_uploads.leftovers, self.connection, self._prefix)]
        return side_by_side(jobs, 1, self._interrupt)

    def close(self) -> None:
        self.connection.close()

    def _waiting(self, work: Callable[[], T]) -> T:
        """Do what waits for the server in a thread, so that a signal is noticed meanwhile."""
        (result,) = side_by_side([lambda: iter([work()])], 1, self._interrupt)
        return result


def look_at(connection: OssConnection, key: str, told_as: Action = "head") -> ObjectFact | None:
    """Ask for the headers of one object; None only where OSS itself says that there is none. Raises SourceError.

    `told_as`: what a refusal is said to refuse; `head` speaks of an audit, which has listed the bucket.
    """
    place = connection.place

    def read(answer: Answer) -> ObjectFact | None:
        if not answer.is_of_oss:
            raise SourceError(
                f"what answered {answer.status} for {visible(key)} is no OSS, or a proxy before {place.endpoint}",
                "check --oss-endpoint and any proxy; whether the object is there cannot be said",
            )
        if answer.status == 200:
            return _fact(key, answer)
        if answer.status == 404:
            code, number = details(answer).get("Code", ""), answer.headers.get("x-oss-ec", "")
            if code == "NoSuchKey" or (not code and number in ("", _NO_KEY)):
                return None
            if code == "NoSuchBucket" or number == _NO_BUCKET:
                raise SourceError(f"bucket {place.bucket} is gone from {place.endpoint}", "check it, then run again")
        refused = connection.refused(answer, told_as)
        if refused.code == "InvalidObjectName":
            return None
        raise refused

    return connection.ask("head", read, key=key, method="HEAD")


def is_possible(key: str) -> bool:
    """Say whether OSS could have an object of this key at all."""
    try:
        return 0 < len(key.encode("utf-8")) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def _fact(key: str, answer: Answer) -> ObjectFact:
    headers = answer.headers
    try:
        size = int(headers["content-length"])
        modified = to_micros(parsedate_to_datetime(headers["last-modified"]))
    except (KeyError, ValueError, TypeError):
        raise SourceError(
            f"the answer about {visible(key)} has no size or no time", "check any proxy before the endpoint"
        ) from None
    etag = headers.get("etag", "").strip('"').upper()
    return ObjectFact(key, size, modified, etag or None, headers.get("x-oss-object-type") == "Normal")
