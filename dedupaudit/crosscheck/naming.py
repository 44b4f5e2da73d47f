"""Which object a row speaks of: its object key, else the key that its URL leads to, else what the template says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter
from urllib.parse import unquote

from dedupaudit.config import Settings
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest
from dedupaudit.snapshot.escaping import escape, pack
from dedupaudit.sources.tables.catalog import Column
from dedupaudit.sources.tables.protocol import ObjectRow, Undecodable, Value
from dedupaudit.sources.tables.table import Table

EXPECTS, EXPECTS_NONE, UNKNOWN = 0, 1, 2
"""What a row's status says of its object: it must be there, it need not be, or nobody knows."""

_STATES = {"completed": EXPECTS, "pending": EXPECTS_NONE, "uploading": EXPECTS_NONE, "failed": EXPECTS_NONE}
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_MD5 = re.compile("[0-9A-Fa-f]{32}")
_LARGEST = 2**63 - 1

Line = tuple[str | None, ...]


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

    def lines(self, rows: Sequence[ObjectRow]) -> list[Line]:
        """Return the fields of each row's line, escaped."""
        return [self._line(*row) for row in rows]

    def _line(
        self,
        judged: bool,
        token: int | None,
        key: tuple[Value, ...],
        locator: tuple[Value, ...],
        status: Value,
        object_key: Value,
        object_url: Value,
        size: Value,
        etag: Value,
        at: Value,
        updated: Value,
        fields: tuple[Value, ...],
    ) -> Line:
        named = text_of(object_key)
        if named is not None and not named.strip():
            named = None
        url = text_of(object_url)
        if url is not None and not url.strip():
            url = None
        wanted = self._template.key(fields) if self._template else None
        wrong_url = None
        if named is None:
            named = self._key_of_url(url) if url is not None else wanted
        elif url is not None and not self._leads(url, named):
            wrong_url = url
        expected = wanted if named is not None and wanted is not None and named != wanted else None
        state = _STATES.get(status, UNKNOWN) if self._has_status and isinstance(status, str) else EXPECTS
        if self._has_status and not isinstance(status, str):
            state = UNKNOWN
        return (
            self._number,
            "1" if judged else "0",
            None if token is None else str(token),
            pack(key),
            pack(locator),
            str(state),
            None if status is None else pack((status,)),
            None if named is None else escape(named),
            None if expected is None else escape(expected),
            None if wrong_url is None else escape(wrong_url),
            _size(size),
            _md5(etag),
            None if at is None else pack((at,)),
            None if updated is None else pack((updated,)),
        )

    def _leads(self, url: str, key: str) -> bool:
        """Say whether a URL leads to a key: its path, decoded or as it stands, with or without the bucket before it."""
        # Nearly every URL is its origin and the key.
        if url.endswith(key) and _ORIGIN.fullmatch(url, 0, max(0, len(url) - len(key) - 1)):
            return url[len(url) - len(key) - 1 : len(url) - len(key)] == "/"
        paths = self._paths(url)
        return key in paths or bool(self._bucket and self._bucket + key in paths)

    def _key_of_url(self, url: str) -> str | None:
        key = self._paths(url)[0]
        if self._bucket and key.startswith(self._bucket) and not url.startswith("oss://"):
            key = key[len(self._bucket) :]
        return key or None

    def _paths(self, url: str) -> tuple[str, str]:
        """Return the path without its first slash: decoded, as a server reads it, and as it stands."""
        origin = _ORIGIN.match(url)
        path = url[origin.end() :] if origin else url
        bare = path.removeprefix("/")
        path = re.split("[?#]", bare, maxsplit=1)[0]
        return unquote(path, errors="surrogateescape"), bare


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
