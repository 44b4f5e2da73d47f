"""The binary log of MySQL and MariaDB: who may create triggers while it is on, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, has_guard, refusal


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Refuse where CREATE TRIGGER would fail with 1419, or the clean step with 1665."""
    if not facts.binary_log or facts.product not in ("mysql", "mariadb"):
        return
    if has_guard(asked) and facts.trusts_creators is False and not facts.has_super:
        yield refusal(
            f"the binary log is on, and this role may not create the guard's triggers on {visible(asked.table)}"
            " (error 1419: it has no SUPER privilege)",
            "either, as an administrator: SET GLOBAL log_bin_trust_function_creators = 1 until the migration is over;"
            " or: GRANT SUPER ON *.* TO this role",
        )
    if facts.binlog_format.upper() == "STATEMENT":
        yield refusal(
            "binlog_format is STATEMENT, and the clean step works at READ COMMITTED, which that does not take"
            " (error 1665)",
            "as an administrator: SET GLOBAL binlog_format = 'MIXED' (or ROW), and connect again",
        )
