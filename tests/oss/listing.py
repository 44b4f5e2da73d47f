"""Listing pages as OSS writes them: V1 and V2, and the same bytes rendered beforehand for a benchmark."""

from __future__ import annotations

import base64
import tempfile
import time
from array import array
from functools import lru_cache
from os import pread
from typing import IO, NamedTuple
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.oss import errors
from tests.oss.objects import Bucket
from tests.oss.wire import Request

OWNER = "1234567890123456"
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_QUOTED = {code: chr(code) if chr(code) in _UNRESERVED else f"%{code:02X}" for code in range(128)}


def url_encode(text: str) -> str:
    """Encode as `encoding-type=url` does: everything but unreserved characters, a space as %20, a slash too."""
    return text.translate(_QUOTED) if text.isascii() else quote(text, safe="~", errors="surrogateescape")


@lru_cache(maxsize=4096)
def iso(seconds: int) -> str:
    """Write a time as listings do."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def element(name: str, text: str | int) -> str:
    """Write one element of the first level."""
    return f"  <{name}>{text}</{name}>\n"


def document(root: str, inner: str, rendered: bytes = b"", tail: str = "") -> bytes:
    """Write a whole document. What is no XML character is written all the same, as OSS does without `encoding-type`."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>\n{inner}'
    parts = [head.encode("utf-8", "surrogateescape"), rendered, f"{tail}</{root}>\n".encode("utf-8", "surrogateescape")]
    return b"".join(parts)


def integer(request: Request, name: str, default: int, highest: int) -> int:
    """Read a parameter that is a number from 1 to `highest`."""
    raw = request.query.get(name, "") or str(default)
    if not raw.isdecimal() or not 1 <= int(raw) <= highest:
        raise errors.invalid_argument(f"Argument {name} must be an integer between 1 and {highest}.", name, raw)
    return int(raw)


def writer(request: Request) -> tuple[bool, str]:
    """Return whether names go URL-encoded, and the element that says so."""
    encoding = request.query.get("encoding-type", "")
    if encoding not in ("", "url"):
        raise errors.invalid_argument("Invalid Encoding Method specified in Request.", "encoding-type", encoding)
    return bool(encoding), element("EncodingType", encoding) if encoding else ""


def token_after(key: str) -> str:
    """Make the continuation token of a listing that goes on after a key; only the server can read it."""
    return base64.urlsafe_b64encode(b"\n" + key.encode()).decode().rstrip("=")


def key_of_token(token: str) -> str:
    """Read a continuation token."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True).decode()
    except ValueError:
        raw = ""
    if not raw.startswith("\n"):
        raise errors.invalid_argument("The continuation token provided is incorrect.", "continuation-token", token)
    return raw[1:]


def render(bucket: Bucket, keys: list[str], url: bool, owner: bool = False) -> bytes:
    """Write the <Contents> of some keys."""
    lines = []
    owned = (
        f"    <Owner>\n      <ID>{OWNER}</ID>\n      <DisplayName>{OWNER}</DisplayName>\n    </Owner>\n"
        if owner
        else ""
    )
    for key in keys:
        found = bucket.get(key)
        lines.append(
            f"  <Contents>\n    <Key>{url_encode(key) if url else escape(key)}</Key>\n"
            f"    <LastModified>{iso(found.modified)}</LastModified>\n"
            f'    <ETag>"{found.etag}"</ETag>\n    <Type>{found.kind}</Type>\n    <Size>{found.size}</Size>\n'
            f"    <StorageClass>{found.storage_class}</StorageClass>\n{owned}  </Contents>\n"
        )
    return "".join(lines).encode("utf-8", "surrogateescape")


class Prerendered:
    """The URL-encoded <Contents> of every key of a bucket in one file, so that any page of it is one read."""

    def __init__(self, bucket: Bucket) -> None:
        with bucket.lock:
            self._changes = bucket.changes
            self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            self._ends = array("Q", [0])
            for start in range(0, len(bucket.keys), 1000):
                for key in bucket.keys[start : start + 1000]:
                    self._ends.append(self._ends[-1] + self._file.write(render(bucket, [key], url=True)))
            self._file.flush()

    def fits(self, bucket: Bucket) -> bool:
        """Say whether the bucket is as it was."""
        return self._changes == bucket.changes

    def read(self, start: int, end: int) -> bytes:
        """Return what was written for `keys[start:end]`."""
        offset = self._ends[start]
        return pread(self._file.fileno(), self._ends[end] - offset, offset)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


class Page(NamedTuple):
    """What one page holds: places in `bucket.keys`, prefixes, the name it ends with, and whether more follows."""

    places: list[tuple[int, int]]
    prefixes: list[str]
    last: str
    more: bool


def _page(bucket: Bucket, prefix: str, delimiter: str, after: str | None, limit: int) -> Page:
    start, end = bucket.range(prefix, after)
    if not delimiter:
        stop = min(start + limit, end)
        return Page([(start, stop)], [], bucket.keys[stop - 1] if stop > start else "", stop < end)
    if after is not None and after.startswith(prefix) and after[len(prefix) :].endswith(delimiter):
        start = max(start, bucket.past(after, start))  # the page before ended with this common prefix
    places: list[tuple[int, int]] = []
    prefixes: list[str] = []
    last = ""
    while start < end and len(places) + len(prefixes) < limit:
        key = bucket.keys[start]
        head, found, _ = key[len(prefix) :].partition(delimiter)
        if found:
            last = prefix + head + delimiter
            prefixes.append(last)
            start = bucket.past(last, start)
        else:
            last = key
            places.append((start, start + 1))
            start += 1
    return Page(places, prefixes, last, start < end)


def list_objects(bucket: Bucket, request: Request, prerendered: Prerendered | None) -> bytes:
    """Answer GetBucket, in version 2 where `list-type=2` asks for it."""
    query = request.query
    url, encoding = writer(request)
    write = url_encode if url else escape
    second = query.get("list-type") == "2"
    limit = integer(request, "max-keys", 100, 1000)
    token = query.get("continuation-token", "") if second else ""
    after = query.get("start-after" if second else "marker", "")
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    position = key_of_token(token) if token else after
    owner = query.get("fetch-owner") == "true" or not second
    with bucket.lock:
        page = _page(bucket, prefix, delimiter, position or None, limit)
        if prerendered is not None and url and not owner and prerendered.fits(bucket):
            contents = b"".join(prerendered.read(start, end) for start, end in page.places)
        else:
            keys = [key for start, end in page.places for key in bucket.keys[start:end]]
            contents = render(bucket, keys, url, owner)
    head = [element("Name", bucket.name), element("Prefix", write(prefix))]
    head.append(element("StartAfter" if second else "Marker", write(after)) if after or not second else "")
    head += [element("ContinuationToken", token) if token else "", element("MaxKeys", limit)]
    head += [element("Delimiter", write(delimiter)), encoding, element("IsTruncated", str(page.more).lower())]
    if page.more:
        head.append(
            element("NextContinuationToken", token_after(page.last))
            if second
            else element("NextMarker", write(page.last))
        )
    tail = [f"  <CommonPrefixes>\n    <Prefix>{write(name)}</Prefix>\n  </CommonPrefixes>\n" for name in page.prefixes]
    if second:
        count = sum(end - start for start, end in page.places) + len(page.prefixes)
        tail.append(element("KeyCount", count))
    return document("ListBucketResult", "".join(head), contents, "".join(tail))
