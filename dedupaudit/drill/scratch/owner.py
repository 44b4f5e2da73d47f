"""Whose a scratch schema is: what its marker table says, and whether that drill may still be at work."""

from __future__ import annotations

import os
import re
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

from dedupaudit import __version__
from dedupaudit.processes import begun

MARKER = "dedupaudit_drill"
"""The table that says that a drill made a schema. What has none was not made by a drill, whatever its name."""

COLUMNS = ("host", "pid", "begun", "started_at", "version")
"""Of the marker table, all of them texts; `begun` tells a process from a later one of its number."""

_NAME = re.compile(r"dedupaudit_drill_[0-9a-f]{8}")


@dataclass(frozen=True)
class Leftover:
    """A scratch schema whose drill was killed. `shown` is its name and its drill, for people."""

    name: str
    shown: str


def new_name() -> str:
    """Return a name that most likely no schema has."""
    return f"dedupaudit_drill_{secrets.token_hex(4)}"


def is_name(name: str) -> bool:
    """Say whether a drill may have given this name."""
    return _NAME.fullmatch(name) is not None


def number_of(name: str) -> int:
    """Return the number in a name, as a signed integer of 32 bits: what an advisory lock is called by."""
    return int(name.rpartition("_")[2], 16) - 2**31


def marker() -> tuple[str, ...]:
    """Return the marker's row for this process."""
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return socket.gethostname(), str(os.getpid()), begun(os.getpid()), started, __version__


def is_of_this_host(row: tuple[object, ...]) -> bool:
    """Say whether a marker's row was written on this host."""
    return str(row[0]) == socket.gethostname()


def may_live(row: tuple[object, ...]) -> bool:
    """Say whether the process in a marker's row is there, as far as this host can tell: of others it knows nothing."""
    _host, pid, since = map(str, row[:3])
    if not is_of_this_host(row):
        return False
    return pid.isascii() and pid.isdigit() and len(pid) < 12 and begun(int(pid)) == since
