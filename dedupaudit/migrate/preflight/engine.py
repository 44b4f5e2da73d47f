"""Storage engines of MySQL and MariaDB: without transactions nothing can be moved safely."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse every engine but InnoDB."""
    if facts.product in ("mysql", "mariadb") and facts.engine and facts.engine.upper() != "INNODB":
        yield refusal(
            f"{visible(asked.table)} has the engine {visible(facts.engine)}: the guard and the quarantine need"
            " transactions, and its index an online build, which only InnoDB has",
            f"ALTER TABLE {asked.quoted} ENGINE=InnoDB (writers wait for it), and then plan again",
        )
