"""InnoDB keeps what others write during an online build in a log of limited size."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, note, sized
from dedupaudit.migrate.preflight.disk import index_bytes

_SETTING = "innodb_online_alter_log_max_size"


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Tell of a log that is smaller than the index: a long build beside busy writers may fill it."""
    size = facts.settings.get(_SETTING, "")
    if facts.product in ("mysql", "mariadb") and size.isdecimal() and int(size) < index_bytes(facts):
        yield note(
            f"while the index of {visible(asked.table)} is built, what others change there is kept in a log of at most"
            f" {sized(int(size))}; busy writers can fill it, and the build fails then (error 1799) and leaves nothing",
            f"as an administrator: SET GLOBAL {_SETTING} = {max(2 * index_bytes(facts), 1 << 30)}; it takes disk, not"
            " memory",
        )
