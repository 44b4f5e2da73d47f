"""Lists one range of keys, page by page: where to go on, and whether what comes can be believed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter, lt

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.sources.objects.oss_connection import OssConnection
from dedupaudit.sources.objects.oss_errors import Answer
from dedupaudit.sources.objects.oss_page import Page, parse
from dedupaudit.sources.objects.protocol import ObjectFact

PAGE = 1000
LONGEST_KEY = 1023
_by_key = attrgetter("key")


@dataclass
class KeyRange:
    """The keys after `last`, up to and including `until` (None: to the end). Mutable: `last` moves as it is read."""

    last: str = ""
    until: str | None = None
    done: bool = field(default=False)


def ask_page(connection: OssConnection, prefix: str, start_after: str, token: str = "", size: int = PAGE) -> Page:
    """Return one page; raises SourceError where OSS refuses, or does not give a whole one."""
    params = {"list-type": "2", "prefix": prefix, "max-keys": str(size), "encoding-type": "url"}
    if token:
        params["continuation-token"] = token
    elif start_after:
        params["start-after"] = start_after

    def read(answer: Answer) -> Page:
        if answer.status != 200:
            raise connection.refused(answer, "list")
        return parse(answer.body)

    page = connection.ask("list", read, params)
    place = connection.place
    if page.bucket not in (None, place.bucket) or page.prefix not in (None, prefix):
        raise SourceError(
            f"{place.endpoint} answered with the listing of another bucket or prefix than {place.bucket}",
            "check --oss-endpoint and any cache or proxy before it",
        )
    return page


def list_range(connection: OssConnection, prefix: str, keys: KeyRange) -> Iterator[list[ObjectFact]]:
    """Yield the objects of a range. After a failure, the same range goes on behind the last page that was taken."""
    token, last, again = "", keys.last, False
    passed: set[str] = set()  # tokens of pages without objects, since the last object
    while not keys.done:
        page = ask_page(connection, prefix, last, token)
        objects = page.objects
        if not objects and page.truncated and not again:
            # Rare, and where it is a mistake its token leads past what was lost: ask once more by key.
            token, again = "", True
            continue
        _check(connection, objects, prefix, last)
        if objects:
            last, again = objects[-1].key, False
            passed.clear()
        ended = not page.truncated
        if not ended and page.token and (page.token == token or page.token in passed):
            raise _disorder(connection, "the same page again", last)
        token = page.token
        passed.add(token)
        if keys.until is not None and objects and last >= keys.until:
            objects = objects[: bisect_right(objects, keys.until, key=_by_key)]
            ended = True
        if objects:
            keys.last = objects[-1].key
        keys.done = ended
        if objects:
            yield objects


def list_again(connection: OssConnection, prefix: str, first: str, last: str) -> Iterator[list[ObjectFact]]:
    """Yield the objects from `first` to `last`, both included."""
    keys = KeyRange(before(first), last)
    for page in list_range(connection, prefix, keys):
        objects = page[bisect_left(page, first, key=_by_key) :]
        if objects:
            yield objects


def before(key: str) -> str:
    """Return a key that sorts before `key` with next to nothing between: listings begin after a key."""
    if not key:
        return ""
    head, code = key[:-1], ord(key[-1])
    if code == 0:
        return head
    # What lies between U+D7FF and U+E000 is no character.
    near = head + chr(0xD7FF if code == 0xE000 else code - 1)
    longer = near + "\U0010ffff"
    if len(longer.encode()) <= LONGEST_KEY:
        return longer
    return near if len(near.encode()) <= LONGEST_KEY else head


def _check(connection: OssConnection, objects: list[ObjectFact], prefix: str, last: str) -> None:
    """Raise SourceError unless the page goes on where the last one ended, in order, and stays below the prefix."""
    if not objects:
        return
    # Text sorts as its UTF-8 does, because code points do.
    keys = [fact.key for fact in objects]
    if last and keys[0] <= last:
        raise _disorder(connection, "a page again or out of order", keys[0])
    if not all(map(lt, keys, keys[1:])):
        raise _disorder(connection, "keys out of order", keys[0])
    if not (keys[0].startswith(prefix) and keys[-1].startswith(prefix)):
        raise _disorder(connection, "keys outside the prefix", keys[0])


def _disorder(connection: OssConnection, what: str, key: str) -> SourceError:
    place = connection.place
    return SourceError(
        f"the listing of bucket {place.bucket} cannot be trusted: {place.endpoint} sent {what} (at {visible(key)})",
        "check any cache or proxy before the endpoint, then run again; nothing was judged by this listing",
    )
