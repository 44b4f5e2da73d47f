"""What failed builds left: others' indexes are theirs to drop, the tool takes up its own."""

from __future__ import annotations

from dedupaudit.migrate.facts import Leftover
from tests.migrate.preflight.recorded import POSTGRESQL, RESUMED, only, told

CHECK = "invalid_leftovers"
OWN = (Leftover("guard table", "dedupaudit.guard_0123456789ab"), Leftover("lookup index", "dedupaudit_lookup_01"))


def test_nothing_left_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_others_invalid_indexes_are_warned_of_with_the_statement_that_drops_them() -> None:
    concern = only(CHECK, POSTGRESQL, invalid_indexes=('activities"key', "public.other"))
    assert concern.level == "warning"
    assert "2 invalid indexes of activities have been left" in concern.message
    assert 'DROP INDEX CONCURRENTLY activities"key; DROP INDEX CONCURRENTLY public.other' in concern.hint
    assert 'CONCURRENTLY "plain"' in only(CHECK, POSTGRESQL, invalid_indexes=("plain",)).hint


def test_own_leftovers_are_told_unless_the_run_goes_on() -> None:
    concern = only(CHECK, POSTGRESQL, leftovers=OWN)
    assert concern.level == "note"
    assert "guard table dedupaudit.guard_0123456789ab, lookup index dedupaudit_lookup_01" in concern.message
    assert concern.hint.endswith("dedupaudit migrate rollback activities")
    assert told(CHECK, POSTGRESQL, RESUMED, leftovers=OWN) == []
