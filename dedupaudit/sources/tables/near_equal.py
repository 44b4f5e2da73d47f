"""Nearly equal keys of a server: it finds the keys that may fold onto another, and Python, which knows Unicode, folds.

A key that is its own folding can only be nearly equal to an odd one; so the odd keys are read, and of all the others
only those that are the folding of an odd key.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import IO, BinaryIO, NamedTuple

from dedupaudit.snapshot.engine import explained
from dedupaudit.snapshot.tokens import TokenStore
from dedupaudit.sources.tables.folding import fold
from dedupaudit.sources.tables.protocol import Key, KeyVariant, Undecodable, Value

_BATCH = 2_000


class OddKey(NamedTuple):
    """A key, the bytes of its text told apart; `joined` is equal for equal keys of the database; `rows` have it.

    `shown` is how it is reported, where `key` has numbers in place of values that can be written in several ways.
    """

    key: Key
    joined: int
    rows: int
    shown: Key | None = None


class _Line(NamedTuple):
    """What the file of keys holds of one."""

    folded: Key
    found: OddKey


def near_equal_sets(
    odd: Iterator[OddKey], plain: Callable[[Sequence[Key]], Iterable[OddKey]], memory_limit: int
) -> Iterator[KeyVariant]:
    """Yield the keys that have one folding, set by set; sets of one key are left out.

    `odd` yields every key that may not be its own folding, once for each different writing. `plain` returns, of some
    folded keys, those that the table has byte for byte and that are not odd; it is called when `odd` has been read.
    """
    # The keys lie in a file without a name, and where they lie is grouped by a hash of the folding.
    with explained():
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the next line)
    with file, TokenStore(memory_limit, ("token", "place")) as store:
        sink = store.sink()
        for found in odd:
            _put(file, sink, _Line(fold_key(found.key), found))
        end = file.tell()
        for folded in _batches(file, end):
            for found in plain(folded):
                _put(file, sink, _Line(found.key, found))
        store.finish()
        for batch in store.repeated(_BATCH):
            for _token, places in groupby(batch, key=lambda row: row[0]):
                yield from _sets(_read(file, place) for _, place in places)


def fold_key(key: Key) -> Key:
    """Return what folding makes of a key: text is folded, all else stays; what does not decode folds around it."""
    return tuple(map(_folded, key))


def _folded(part: Value) -> Value:
    if isinstance(part, str):
        return fold(part)
    if isinstance(part, Undecodable):
        raw = fold(part.raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return Undecodable(raw)
    return part


def _sets(lines: Iterable[_Line]) -> Iterator[KeyVariant]:
    sets: dict[str, dict[str, OddKey]] = {}
    for folded, found in lines:
        # A plain key that two batches asked for was found twice.
        sets.setdefault(_text(folded), {})[_text(found.key)] = found
    for variants in sets.values():
        if len(variants) > 1:
            for found in variants.values():
                yield KeyVariant(len(variants), found.joined, found.shown or found.key, found.rows)


def _batches(file: IO[bytes], end: int) -> Iterator[list[Key]]:
    """Yield the different foldings in the file, some at a time; one may come again in a later batch."""
    at = 0
    while at < end:
        file.seek(at)
        folded: dict[str, Key] = {}
        while at < end and len(folded) < _BATCH:
            line = file.readline()
            at += len(line)
            parts = json.loads(line)[0]
            folded.setdefault(json.dumps(parts), _key(parts))
        file.seek(0, io.SEEK_END)
        yield list(folded.values())


def _put(file: IO[bytes], sink: BinaryIO, line: _Line) -> None:
    with explained():
        place = file.tell()
        folded = _parts(line.folded)
        key, joined, rows, shown = line.found
        text = json.dumps([folded, _parts(key), joined, rows, _parts(shown or key)])
        file.write(text.encode("ascii") + b"\n")
    token = hashlib.blake2b(_text(line.folded).encode("ascii"), digest_size=8).digest()
    sink.write(b"%d\t%d\n" % (int.from_bytes(token, "big", signed=True), place))


def _read(file: IO[bytes], place: int) -> _Line:
    file.seek(place)
    folded, key, joined, rows, shown = json.loads(file.readline())
    return _Line(_key(folded), OddKey(_key(key), joined, rows, _key(shown)))


def _text(key: Key) -> str:
    return json.dumps(_parts(key))


def _parts(key: Key) -> list[list[object]]:
    return [_part(part) for part in key]


def _part(part: Value) -> list[object]:
    match part:
        case bytes():
            return ["bytes", base64.b64encode(part).decode("ascii")]
        case Undecodable():
            return ["undecodable", base64.b64encode(part.raw).decode("ascii")]
        case _:
            return [type(part).__name__, part]


def _key(parts: list[list[object]]) -> Key:
    return tuple(_value(str(kind), value) for kind, value in parts)


def _value(kind: str, value: object) -> Value:
    if kind in ("bytes", "undecodable"):
        raw = base64.b64decode(str(value))
        return raw if kind == "bytes" else Undecodable(raw)
    return value if isinstance(value, str | int | float) else None
