"""A pooler that hands out transactions is refused."""

from __future__ import annotations

from tests.migrate.preflight.recorded import POSTGRESQL, only, told

CHECK = "pooler"


def test_a_pooler_is_refused_with_why_it_seems_to_be_there() -> None:
    concern = only(CHECK, POSTGRESQL, pooler="two transactions of one session ran on the backends 811 and 812")
    assert concern.level == "refusal"
    assert "on the backends 811 and 812" in concern.message
    assert "5432 instead of 6432" in concern.hint


def test_a_server_itself_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
