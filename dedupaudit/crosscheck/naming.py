"""Which object a row speaks of: its object key, else the key that its URL leads to, else what the template says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import repeat
from string import Formatter
from typing import cast
from urllib.parse import unquote

from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.snapshot.escaping import escape_all, lines, pack, pack_all, pack_column
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.protocol import ObjectRow, Undecodable, Value
from dedupaudit.sources.tables.table import Table

EXPECTS, EXPECTS_NONE, UNKNOWN = 0, 1, 2
"""What a row's status says of its object: it must be there, it need not be, or nobody knows."""

_STATES = {"completed": EXPECTS, "pending": EXPECTS_NONE, "uploading": EXPECTS_NONE, "failed": EXPECTS_NONE}
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_MD5 = re.compile("[0-9A-Fa-f]{32}")
_LARGEST = 2**63 - 1

_FEW = 100
_Texts = list[str | None]


class Template:
    """An object key with columns in braces, as one table fills it."""

    def __init__(self, text: str, table: Table, settings: Settings) -> None:
        parts = [(literal, field) for literal, field, _, _ in Formatter().parse(text)]
        self.columns: list[Column] = []
        self._pieces: list[str | int] = []
        for literal, field in parts:
            if literal:
                self._pieces.append(literal)
            if field is not None:
                self._pieces.append(self._number(field, table, settings))

    def _number(self, field: str, table: Table, settings: Settings) -> int:
        column = table.catalog.column(field)
        if column is None:
            guess = nearest(field, [one.name for one in table.catalog.columns])
            raise UsageError(
                f"{settings.where('objects', 'template')}: table {visible(table.name)} has no column {visible(field)}",
                f"did you mean {visible(guess)}?" if guess else "its fields are columns of the table",
            )
        if column not in self.columns:
            self.columns.append(column)
        return self.columns.index(column)

    def key(self, fields: Sequence[Value]) -> str | None:
        """Return the key; None where a column of it is NULL."""
        if None in fields:
            return None
        return "".join([piece if isinstance(piece, str) else text_of(fields[piece]) or "" for piece in self._pieces])


class Namer:
    """Turns the rows of one table into lines for `Crossing.rows`."""

    def __init__(self, number: int, table: Table, template: Template | None, bucket: str | None) -> None:
        """`bucket` may stand before the key in the path of a URL."""
        assert table.objects is not None  # noqa: S101 (only such tables are read)
        self._number = str(number)
        self._template = template
        self._bucket = f"{bucket}/" if bucket else None
        self._has_status = table.objects.status is not None
        self._states: dict[Value, tuple[str, str | None]] = {}
        self._origins: set[str] = set()

    def lines(self, rows: Sequence[ObjectRow]) -> bytes:
        """Return the rows as lines for `Crossing.rows`.

        Column by column, because ten million rows are read: what is plain in a whole column is looked at once.
        """
        if not rows:
            return b""
        judged, tokens, keys, locators, statuses, named, urls, sizes, etags, at, updated, fields = zip(
            *rows, strict=True
        )
        wanted = [self._template.key(one) for one in fields] if self._template else _nothing(len(rows))
        object_keys, wrong = self._named(_texts(named), _texts(urls), wanted)
        expected = _nothing(len(rows))
        if self._template:
            expected = [
                rule if key is not None and rule is not None and key != rule else None
                for key, rule in zip(object_keys, wanted, strict=True)
            ]
        known = self._states
        states = [
            known[status] if type(status) is str and status in known else self._state(status) for status in statuses
        ]
        return lines(
            zip(
                repeat(self._number),
                ["1" if one else "0" for one in judged],
                [None if token is None else str(token) for token in tokens],
                pack_all(keys),
                pack_all(locators),
                [state for state, _ in states],
                [packed for _, packed in states],
                escape_all(object_keys),
                escape_all(expected),
                escape_all(wrong),
                _sizes(sizes),
                list(map(_md5, etags)) if any(etags) else _nothing(len(rows)),
                pack_column(at),
                pack_column(updated),
                strict=False,
            )
        )

    def key_of(self, object_key: Value, url: Value, fields: Sequence[Value]) -> str | None:
        """Return the object key of one row; `fields` are the columns of the template."""
        wanted = self._template.key(fields) if self._template else None
        return self._named(_texts([object_key]), _texts([url]), [wanted])[0][0]

    def _named(self, keys: _Texts, urls: _Texts, wanted: _Texts) -> tuple[_Texts, _Texts]:
        """Return the object key of each row, and its URL where that leads elsewhere."""
        if not any(urls):
            return [key if key is not None else rule for key, rule in zip(keys, wanted, strict=True)], _nothing(
                len(keys)
            )
        found: _Texts = []
        wrong = _nothing(len(keys))
        for place, (key, url) in enumerate(zip(keys, urls, strict=True)):
            if key is None:
                key = self._key_of_url(url) if url is not None else wanted[place]
            elif (
                url is not None
                and not (url.endswith(key) and url[: len(url) - len(key)] in self._origins)
                and not self._leads(url, key)
            ):
                wrong[place] = url
            found.append(key)
        return found, wrong

    def _state(self, status: Value) -> tuple[str, str | None]:
        """Return what a status says of the object, and the status for the line; there are few different ones."""
        state = (
            EXPECTS if not self._has_status else _STATES.get(status, UNKNOWN) if isinstance(status, str) else UNKNOWN
        )
        told = str(state), None if status is None else pack((status,))
        if isinstance(status, str) and len(self._states) < _FEW:
            self._states[status] = told
        return told

    def _leads(self, url: str, key: str) -> bool:
        """Say whether a URL leads to a key: its path, decoded or as it stands, with or without the bucket before it."""
        # Nearly every URL is its origin and the key, and there are few origins.
        before = url[: len(url) - len(key)] if url.endswith(key) else ""
        if before.endswith("/") and _ORIGIN.fullmatch(before, 0, len(before) - 1):
            if len(self._origins) < _FEW:
                self._origins.add(before)
            return True
        paths = self._paths(url)
        return key in paths or bool(self._bucket and self._bucket + key in paths)

    def _key_of_url(self, url: str) -> str | None:
        decoded, bare = self._paths(url)
        if url.startswith("oss://"):
            return bare or None  # no web address: OSS's tools write the key as it is
        key = decoded
        if self._bucket and key.startswith(self._bucket):
            key = key[len(self._bucket) :]
        return key or None

    def _paths(self, url: str) -> tuple[str, str]:
        """Return the path without its first slash: decoded, as a server reads it, and as it stands."""
        origin = _ORIGIN.match(url)
        path = url[origin.end() :] if origin else url
        bare = path.removeprefix("/")
        path = re.split("[?#]", bare, maxsplit=1)[0]
        return unquote(path, errors="surrogateescape"), bare


def _nothing(rows: int) -> _Texts:
    return [None] * rows


def _texts(values: Sequence[Value]) -> _Texts:
    """Return a column as text, None for what is blank."""
    texts = list(map(text_of, values))
    return [None if text is None or not text or text.isspace() else text for text in texts]


def text_of(value: Value) -> str | None:
    """Return a value as text; bytes that are no UTF-8 are kept by surrogates."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Undecodable):
        value = value.raw
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _sizes(values: Sequence[Value]) -> _Texts:
    if set(map(type, values)) == {int}:
        return [str(size) if -_LARGEST <= size <= _LARGEST else None for size in cast("Sequence[int]", values)]
    return list(map(_size, values)) if any(value is not None for value in values) else _nothing(len(values))


def _size(value: Value) -> str | None:
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        number = int(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
    return str(number) if number is not None and -_LARGEST <= number <= _LARGEST else None


def _md5(value: Value) -> str | None:
    text = (text_of(value) or "").strip().strip('"')
    return text.upper() if _MD5.fullmatch(text) else None
