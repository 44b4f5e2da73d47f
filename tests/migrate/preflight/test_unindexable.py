"""Types that no unique index compares are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dedupaudit.migrate.facts import Facts
from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, SQLITE, only, told

CHECK = "unindexable"


@pytest.mark.parametrize(("facts", "declared"), [(POSTGRESQL, "json"), (POSTGRESQL, "point"), (MARIADB, "longtext")])
def test_a_column_that_cannot_be_compared_is_refused(facts: Facts, declared: str) -> None:
    key = (replace(facts.key[0], declared=declared, indexable=False),)
    concern = only(CHECK, facts, key=key)
    assert concern.level == "refusal"
    assert f"column activity_id of activities is {declared}" in concern.message
    assert told("key_length", facts, key=key) == []


def test_a_collation_of_the_application_is_refused() -> None:
    concern = only(CHECK, SQLITE, key=(replace(SQLITE.key[0], collation="CHINESE", indexable=False),))
    assert concern.level == "refusal"
    assert "compared by CHINESE, a collation that only the application knows" in concern.message


def test_columns_that_can_be_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == told(CHECK, MARIADB) == []
