"""Triggers that may rewrite the key, and those that the clean step would fire."""

from __future__ import annotations

from dedupaudit.migrate.facts import TableTrigger
from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, SMALL, duplicates, only, told

CHECK = "triggers"
REWRITES = TableTrigger("normalise", "BEFORE", ("INSERT", "UPDATE"))
LOGS = TableTrigger("log_it", "AFTER", ("INSERT", "DELETE"))
MOVED = duplicates(groups=1, removed=1, rules={"earliest": 1})


def test_triggers_that_look_on_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
    assert told(CHECK, POSTGRESQL, triggers=(LOGS,)) == []
    assert told(CHECK, MARIADB, triggers=(TableTrigger("gone", "BEFORE", ("DELETE",)),)) == []


def test_a_before_trigger_may_rewrite_the_key() -> None:
    assert only(CHECK, POSTGRESQL, triggers=(REWRITES,)).level == "note"
    concern = only(CHECK, MARIADB, triggers=(REWRITES,))
    assert concern.level == "warning"
    assert "normalise" in concern.message
    assert told(CHECK, POSTGRESQL, SMALL, triggers=(REWRITES,)) == []


def test_a_trigger_on_delete_is_told_with_its_flag_where_rows_go() -> None:
    concern = only(CHECK, POSTGRESQL, triggers=(LOGS,), **MOVED)
    assert concern.level == "warning"
    assert "would fire log_it" in concern.message
    assert "--allow-trigger log_it" in concern.hint
