"""What clients send."""

from __future__ import annotations

from dataclasses import dataclass, field

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Activity:
    """A click, a key, a focus, a scroll. `timestamp`: milliseconds since 1970, UTC, by the device's clock."""

    id: str
    device_id: str
    type: str
    timestamp: int
    data: Json = None


@dataclass(frozen=True, slots=True)
class Process:
    """The programs that ran. `timestamp` as in Activity."""

    id: str
    device_id: str
    timestamp: int
    data: Json = None


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A picture of the screen: a row and an object. `timestamp` as in Activity."""

    id: str
    device_id: str
    timestamp: int
    picture: bytes = field(repr=False)
    content_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an event. `duplicate`: it was stored before, with the same payload; answer success."""

    id: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of a picture: its row says `completed`, and its object was verified."""

    id: str
    object_key: str
    url: str
    duplicate: bool = False
