"""Rows that the role cannot see are a refusal: the index is for all of them."""

from __future__ import annotations

from tests.migrate.preflight.recorded import POSTGRESQL, only, told

CHECK = "hides_rows"


def test_row_level_security_that_hides_rows_is_refused() -> None:
    concern = only(CHECK, POSTGRESQL, hides_rows=True)
    assert concern.level == "refusal"
    assert "BYPASSRLS" in concern.hint


def test_a_role_that_sees_all_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
