"""Reads one page of a listing: a compiled pattern for the form that OSS writes, a strict XML parser for all else.

What is cut, malformed or contradicts itself raises MalformedPage: half a page must never pass for a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from operator import add
from typing import NamedTuple, cast
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

from dedupaudit.sources.objects.protocol import ObjectFact
from dedupaudit.times import to_micros


class MalformedPage(ValueError):
    """A body that is not one whole page; the text says why, and repeats nothing of the body."""


class Page(NamedTuple):
    """One page: its objects, whether more follow, and the token that the next one is asked for by."""

    objects: list[ObjectFact]
    truncated: bool
    token: str
    bucket: str | None
    prefix: str | None


def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern whose white space is XML's: no form feed, no vertical tab."""
    return re.compile(pattern.replace(rb"\s", rb"[\t\n\r ]"))


# Exactly what OSS writes with encoding-type=url: a key is visible ASCII. Everything else goes to the XML parser.
# The last group catches what is no object all at once, so that nothing between two objects is passed over.
_OBJECTS = _compiled(
    rb"<Contents>\s*+<Key>([!-%'-;=?-~]*+)</Key>\s*+(?:<TransitionTime>[ -%'-;=?-~]*+</TransitionTime>\s*+)?"
    rb"<LastModified>(\d{4}-\d\d-\d\d)T(\d\d:\d\d):(\d\d)\.000Z</LastModified>\s*+"
    rb"<ETag>(?:\"|&quot;)([0-9A-Za-z-]++)(?:\"|&quot;)</ETag>\s*+<Type>([A-Za-z]++)</Type>\s*+"
    rb"<Size>([0-9]{1,18})</Size>\s*+<StorageClass>[A-Za-z]++</StorageClass>\s*+"
    rb"(?:<Owner>\s*+<ID>[ -%'-;=?-~]*+</ID>\s*+<DisplayName>[ -%'-;=?-~]*+</DisplayName>\s*+</Owner>\s*+)?"
    rb"</Contents>\s*+"
    rb"|((?s:.++))"
)
_LAST = b"</Contents>"
_FIELD = rb"<([A-Za-z]+)>([!-%'-;=?-~]*+)</\1>\s*+|<[A-Za-z]+/>\s*+"
_DECLARATION = rb"(?:<\?xml version=\"1\.0\"(?: encoding=\"(?:UTF|utf)-8\")?\s*+\?>)?"
_HEAD = _compiled(_DECLARATION + rb"\s*+<ListBucketResult(?: xmlns=\"[!#-%'-;?-~]*+\")?>\s*+(?:" + _FIELD + rb")*+")
_TAIL = _compiled(rb"\s*+(?:" + _FIELD + rb")*+</ListBucketResult>\s*+")
_FIELDS = re.compile(rb"<([A-Za-z]+)(?:/>|>([^<]*)</\1>)")
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

# No UTF-8 has this byte, so that it separates keys whose escapes are not undone yet.
_SEPARATOR = b"\xff"
_ESCAPED_SEPARATOR = "\udcff"
_HOURS = {b"%02d:%02d" % divmod(minute, 60): minute * 60_000_000 for minute in range(1_440)}
_SECONDS = {b"%02d" % second: second * 1_000_000 for second in range(60)}
_is_normal = b"Normal".__eq__
_fact = cast(Callable[[Iterable[object]], ObjectFact], partial(tuple.__new__, ObjectFact))


class _Days(dict[bytes, int]):
    """Microseconds since the epoch of the days that were met: there are few."""

    def __missing__(self, day: bytes) -> int:
        value = self[day] = to_micros(datetime.fromisoformat(day.decode()).replace(tzinfo=UTC))
        return value


_days = _Days()


def parse(body: bytes) -> Page:
    """Return the page that a body holds; raises MalformedPage."""
    try:
        page = _parse_fast(body)
    except (ValueError, KeyError):  # a 31st of February, a 61st second: the strict parser finds words for it
        page = None
    return page or parse_strict(body)


def _parse_fast(body: bytes) -> Page | None:
    """Return the page where it has exactly the usual form, otherwise None."""
    start, end = body.find(b"<Contents>"), body.rfind(_LAST) + len(_LAST)
    if start < 0 or not _HEAD.fullmatch(body, 0, start) or not _TAIL.fullmatch(body, end):
        return None
    fields = _FIELDS.findall(body, 0, start) + _FIELDS.findall(body, end)
    known = dict(fields)
    if len(known) != len(fields) or known.get(b"EncodingType") != b"url":
        return None
    keys, days, hours, seconds, etags, types, sizes, rest = zip(*_OBJECTS.findall(body, start, end), strict=True)
    if any(rest):
        return None
    moments = map(add, map(_days.__getitem__, days), map(_HOURS.__getitem__, hours))
    facts = map(
        _fact,
        zip(
            _keys(keys),
            map(int, sizes),
            map(add, moments, map(_SECONDS.__getitem__, seconds)),
            b"\n".join(etags).decode().upper().split("\n"),
            map(_is_normal, types),
            strict=True,
        ),
    )
    texts = {name.decode(): value.decode() for name, value in known.items()}
    return _page(list(facts), texts)


def _keys(encoded: tuple[bytes, ...]) -> list[str]:
    """Undo the percent escapes of all keys at once."""
    joined = _SEPARATOR.join(encoded)
    if b"%" in joined:
        if _NO_ESCAPE.search(joined):
            raise MalformedPage("a key has a % that is no escape")
        # Nearly all escapes are slashes; a literal % is written %25, so that this can hit nothing else.
        joined = joined.replace(b"%2F", b"/")
        if b"%" in joined:
            joined = unquote_to_bytes(joined)
    keys = joined.decode("utf-8", "surrogateescape").split(_ESCAPED_SEPARATOR)
    if len(keys) != len(encoded):
        raise MalformedPage("a key is not UTF-8")
    if not joined.isascii():
        _check_text("".join(keys))
    return keys


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedPage("a key is not UTF-8") from None


def parse_strict(body: bytes) -> Page:
    """Return the page that a body holds, by an XML parser; raises MalformedPage."""
    root = xml_root(body, "ListBucketResult")
    texts: dict[str, str] = {}
    for child in root:
        name = _local(child)
        if name in ("Contents", "CommonPrefixes"):
            continue
        if name in texts:
            raise MalformedPage(f"it has two {name} elements")
        texts[name] = child.text or ""
    if any(_local(child) == "CommonPrefixes" for child in root):
        raise MalformedPage("it has prefixes in place of objects, which nobody asked for")
    encoded = texts.get("EncodingType") == "url"
    objects = [_fact_of(child, encoded) for child in root if _local(child) == "Contents"]
    return _page(objects, texts)


def _page(objects: list[ObjectFact], texts: dict[str, str]) -> Page:
    """Check the page against what it says of itself."""
    truncated = texts.get("IsTruncated")
    if truncated not in ("true", "false"):
        raise MalformedPage("it does not say whether more follows")
    count = texts.get("KeyCount", "")
    if count and count != str(len(objects)):
        raise MalformedPage(f"it says that it has {count[:20]} objects and has {len(objects)}")
    encoded = texts.get("EncodingType") == "url"
    token = texts.get("NextContinuationToken", "")
    if truncated == "true" and not token and not objects:
        raise MalformedPage("it says that more follows, and not where")
    prefix = texts.get("Prefix")
    return Page(
        objects,
        truncated == "true",
        unquoted(token) if encoded else token,
        texts.get("Name"),
        unquoted(prefix) if prefix and encoded else prefix,
    )


def xml_root(body: bytes, name: str) -> ElementTree.Element:
    """Return the root element of an answer; raises MalformedPage where it is none, or another than `name`."""
    if b"<!" in body:
        raise MalformedPage("it has a document type or a comment")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 (without a document type there are no entities to expand)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise MalformedPage("it is not well-formed XML") from None
    if _local(root) != name:
        raise MalformedPage(f"its root is not {name}")
    return root


def _local(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def child_texts(element: ElementTree.Element) -> dict[str, str]:
    """Return the text of each child by its name; raises MalformedPage where a name occurs twice."""
    texts = {_local(child): child.text or "" for child in element}
    if len(texts) != len(element):
        raise MalformedPage("an element occurs twice")
    return texts


def _fact_of(element: ElementTree.Element, encoded: bool) -> ObjectFact:
    texts = child_texts(element)
    try:
        key, size, modified = texts["Key"], texts["Size"], texts["LastModified"]
    except KeyError as error:
        raise MalformedPage(f"an object has no {error.args[0]}") from None
    if not re.fullmatch("[0-9]{1,18}", size):
        raise MalformedPage("a size is no number")
    etag = texts.get("ETag", "").strip().strip('"').upper()
    return ObjectFact(
        unquoted(key) if encoded else key, int(size), moment(modified), etag or None, texts.get("Type") == "Normal"
    )


def moment(text: str) -> int:
    """Return microseconds since the epoch of `2026-01-31T00:00:00.000Z`; raises MalformedPage."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", text, re.ASCII):
            raise ValueError(text)
        return to_micros(datetime.fromisoformat(text))
    except ValueError:
        raise MalformedPage("a time is none") from None


def unquoted(text: str) -> str:
    """Undo percent escapes; `+` is a plus. Raises MalformedPage where that gives no text."""
    if "%" not in text:
        return text
    raw = text.encode()
    if _NO_ESCAPE.search(raw):
        raise MalformedPage("a key has a % that is no escape")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedPage("a key is not UTF-8") from None
