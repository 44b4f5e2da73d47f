"""What the looks of a crosscheck find: one row, or one object, beside what is known of the other side."""

from __future__ import annotations

from typing import NamedTuple

from dedupaudit.sources.tables.protocol import Key, Value


class Found(NamedTuple):
    """What the first look found at one key, as far as it decides whether a second look is due."""

    key: str
    check: str
    table: int | None
    written: Value
    changed: Value
    object_modified: int | None


class Suspect(NamedTuple):
    """One row that a check found at the first look, beside what is known of its object.

    `ident` is one number for IDs that the database takes for one. `again` says whether the second look found the same;
    `written` and `changed` are the row's times then, or at first. `unseen` is why the object could not be looked at
    again, None where it was, or need not be.
    """

    table: int
    ident: int
    id: Key
    locator: Key
    state: int
    status: Value
    key: str
    expected: str | None
    url: str | None
    size: int | None
    etag: str | None
    written: Value
    changed: Value
    object_size: int | None
    object_modified: int | None
    object_etag: str | None
    near: str | None
    again: bool
    unseen: str | None


class Stray(NamedTuple):
    """One object that no row named at the first look; the rest as for `Suspect`."""

    key: str
    size: int
    modified: int
    near: str | None
    again: bool
    unseen: str | None
