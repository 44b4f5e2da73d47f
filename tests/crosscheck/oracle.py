"""What crosscheck must say of rows and objects, worked out with dictionaries: shares no code with the product."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import unquote_to_bytes

BUCKET = "pictures"
Age = Literal["old", "young"]
Verdict = Literal["confirmed", "in_grace", "unknown"]
Id = str | None
Named = tuple[str, Id] | str
_WORST: tuple[Verdict, ...] = ("confirmed", "unknown", "in_grace")


class Row(NamedTuple):
    """One row; `judged` says that its table was asked for and its condition holds."""

    table: str
    id: Id
    judged: bool = True
    status: str | None = "completed"
    key: str | None = None
    url: str | None = None
    expected: str | None = None
    size: int | None = None
    md5: str | None = None
    young: bool = False


class Thing(NamedTuple):
    """One object."""

    size: int
    young: bool = False
    md5: str | None = None


class Told(NamedTuple):
    """A verdict on one ID or key, and the number of rows (IDs, for a shared object)."""

    verdict: Verdict
    number: int


@dataclass
class Expected:
    """The findings by check and by ID (with its table) or key, and the totals."""

    findings: dict[str, dict[Named, Told]] = field(default_factory=dict)
    rows: int = 0
    objects: int = 0
    bytes: int = 0
    orphan_bytes: int = 0
    missing_bytes: tuple[int, int] = (0, 0)
    """At least and at most: two rows of one ID may tell different sizes of one object."""
    distrusted: bool = False


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def path_of(url: str) -> str:
    """Return what follows the first slash behind scheme and host."""
    behind = re.sub(r"\A[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", "", url)
    return behind[1:] if behind.startswith("/") else behind


def decoded(path: str) -> str:
    return text(unquote_to_bytes(re.split(r"[?#]", path)[0].encode("utf-8", "surrogateescape")))


def leads(url: str, key: str) -> bool:
    """Say whether a URL leads to a key: its path, decoded or as it stands, with or without the bucket before it."""
    path = path_of(url)
    return any(candidate in (key, f"{BUCKET}/{key}") for candidate in (path, decoded(path)))


def key_of_url(url: str) -> str | None:
    path = path_of(url)
    if url.startswith("oss://"):
        return path or None
    key = decoded(path)
    return key.removeprefix(f"{BUCKET}/") or None


def blank(value: str | None) -> bool:
    return value is None or not value.strip()


def named_by(row: Row) -> str | None:
    """Return the row's object key, else the key that its URL leads to, else what the template says."""
    if row.key is not None and not blank(row.key):
        return row.key
    return key_of_url(row.url) if row.url is not None and not blank(row.url) else row.expected


def expect(
    rows: Sequence[Row],
    things: Mapping[str, Thing],
    referenced: Collection[str] = (),
    protect: Sequence[str] = (),
    same_id: Callable[[Id], Id] = lambda one: one,
) -> Expected:
    """Return what must be said; `same_id` makes equal what the database takes for one ID."""
    objects = {key: one for key, one in things.items() if not key.startswith("_dedupaudit/")}
    answer = Expected(
        rows=sum(row.judged for row in rows),
        objects=len(objects),
        bytes=sum(one.size for one in objects.values()),
    )
    by_check: dict[str, dict[Named, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    sizes: dict[tuple[Named, str], list[int]] = defaultdict(list)
    sharers: dict[str, dict[Named, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    names = [(row, named_by(row)) for row in rows]
    owned = {(row.table, same_id(row.id), key) for row, key in names if not _needs_none(row)}
    if not objects and any(row.judged and row.status == "completed" and key is not None for row, key in names):
        answer.distrusted = True
        return answer
    for row, key in names:
        if key is None or not row.judged or key.startswith(tuple(protect)):
            continue
        one = (row.table, same_id(row.id))
        there = objects.get(key)
        for check in _faults(row, key, there, (*one, key) in owned):
            verdict = _verdict(row, there, check)
            by_check[check][one].append(verdict)
            if check == "missing_object":
                sizes[one, key].append(row.size or 0)
        if there is not None:
            sharers[key][one].append("in_grace" if row.young else "confirmed")
    for key, ids in sharers.items():
        if len(ids) > 1:
            by_check["shared_object"][key] = [_worst([verdict for one in ids.values() for verdict in one])] * len(ids)
    taken = {key for _, key in names if key is not None} | set(referenced)
    for key, thing in objects.items():
        if key not in taken and not key.startswith(tuple(protect)):
            sure: Verdict = "confirmed" if any(key is not None for _, key in names) else "unknown"
            by_check["orphan_object"][key] = ["in_grace" if thing.young else sure]
            answer.orphan_bytes += thing.size
    answer.findings = {
        check: {name: Told(_worst(said), len(said)) for name, said in same.items()} for check, same in by_check.items()
    }
    answer.missing_bytes = sum(map(min, sizes.values())), sum(map(max, sizes.values()))
    return answer


def _needs_none(row: Row) -> bool:
    return row.status in ("pending", "uploading", "failed")


def _faults(row: Row, key: str, there: Thing | None, owned: bool) -> list[str]:
    elsewhere = not blank(row.key) and row.url is not None and not blank(row.url) and not leads(row.url, key)
    faults = ["misplaced_object"] if elsewhere or row.expected not in (None, key) else []
    if there is None:
        return faults if _needs_none(row) else [*faults, "missing_object"]
    if _needs_none(row):
        return faults if owned else [*faults, "unexpected_object"]
    if row.size is not None and row.size != there.size:
        faults.append("size_mismatch")
    if row.md5 is not None and there.md5 is not None and row.md5 != there.md5:
        faults.append("etag_mismatch")
    return faults


def _verdict(row: Row, there: Thing | None, check: str) -> Verdict:
    if row.young or (there is not None and there.young and check != "misplaced_object"):
        return "in_grace"
    return "unknown" if check == "missing_object" and row.status != "completed" else "confirmed"


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    return min(verdicts, key=_WORST.index)
