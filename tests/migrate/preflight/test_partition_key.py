"""The key of a partitioned table must contain what it is partitioned by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.migrate.preflight.recorded import ASKED, MARIADB, POSTGRESQL, only, told

CHECK = "partition_key"
BOTH = replace(ASKED, key=("activity_id", "created_at"))


def test_a_plain_table_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_a_key_without_the_partition_key_is_refused() -> None:
    concern = only(CHECK, POSTGRESQL, table_kind="partitioned", partition_key=("created_at",))
    assert concern.level == "refusal"
    assert "partitioned by (created_at)" in concern.message
    assert "(activity_id) lacks created_at" in concern.message
    assert 'key = ["activity_id", "created_at"]' in concern.hint


def test_a_key_that_contains_it_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL, BOTH, table_kind="partitioned", partition_key=("created_at",)) == []


def test_every_level_counts() -> None:
    concern = only(CHECK, POSTGRESQL, BOTH, table_kind="partitioned", partition_key=("created_at", "device_id"))
    assert "lacks device_id" in concern.message


def test_postgresql_has_no_constraint_over_an_expression() -> None:
    expression = "date_trunc('month'::text, created_at)"
    concern = only(CHECK, POSTGRESQL, BOTH, table_kind="partitioned", partition_key=(expression,))
    assert concern.level == "refusal"
    assert "partitioned by the expression" in concern.message


@pytest.mark.parametrize("expression", ["to_days(`created_at`)", "year(`created_at`) * 12", "TO_DAYS(created_at)"])
def test_mysql_wants_the_columns_of_its_expression(expression: str) -> None:
    kind: dict[str, Any] = {"table_kind": "partitioned", "partition_key": (expression,)}
    assert "lacks created_at" in only(CHECK, MARIADB, **kind).message
    assert told(CHECK, MARIADB, BOTH, **kind) == []
