"""The binary log: who may create triggers, and the format that the clean step cannot use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, only, told

CHECK = "binary_log"
FORBIDDEN: dict[str, Any] = {"binary_log": True, "trusts_creators": False, "has_super": False}


def test_creators_that_are_not_trusted_are_refused_with_two_ways_out() -> None:
    concern = only(CHECK, MARIADB, **FORBIDDEN)
    assert concern.level == "refusal"
    assert "1419" in concern.message
    assert "log_bin_trust_function_creators = 1" in concern.hint
    assert "GRANT SUPER" in concern.hint


@pytest.mark.parametrize(
    "changed",
    [
        {"binary_log": False},
        {"binary_log": None},
        {"trusts_creators": True},
        {"trusts_creators": None},
        {"has_super": True},
    ],
    ids=str,
)
def test_each_of_them_is_enough(changed: dict[str, Any]) -> None:
    assert told(CHECK, MARIADB, **{**FORBIDDEN, **changed}) == []


def test_statement_format_is_refused() -> None:
    concern = only(CHECK, MARIADB, binlog_format="STATEMENT")
    assert "1665" in concern.message
    assert told(CHECK, MARIADB, binlog_format="STATEMENT", binary_log=False) == []


def test_postgresql_has_none() -> None:
    assert told(CHECK, POSTGRESQL, **FORBIDDEN) == []
