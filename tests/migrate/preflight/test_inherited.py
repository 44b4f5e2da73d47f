"""Tables that share rows by inheritance are refused."""

from __future__ import annotations

from tests.migrate.preflight.recorded import POSTGRESQL, only, told

CHECK = "inherited"


def test_inheritance_is_refused() -> None:
    concern = only(CHECK, POSTGRESQL, table_kind="inherited", parent="events")
    assert concern.level == "refusal"
    assert "by inheritance with events" in concern.message
    assert "NO INHERIT" in concern.hint


def test_a_plain_table_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
