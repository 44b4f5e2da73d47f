"""Keys that only the collation makes equal are shown, with the way to compare bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dedupaudit.migrate.facts import Facts, Pair
from tests.migrate.preflight.recorded import MARIADB, MYSQL, POSTGRESQL, SQLITE, duplicates, only, told

CHECK = "collation_pairs"
PAIRS = duplicates(
    groups=2,
    removed=2,
    rules={"earliest": 2},
    pairs=(Pair(("activity_1",), ("Activity_1",)), Pair(("activity_2",), ("activity_2 ",))),
)


def loose(facts: Facts, collation: str) -> dict[str, Any]:
    return {"key": (replace(facts.key[0], collation=collation, bytewise=False),)}


@pytest.mark.parametrize(
    ("facts", "collation", "way_out"),
    [
        (MARIADB, "utf8mb4_general_ci", "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"),
        (MARIADB, "latin1_swedish_ci", "CHARACTER SET latin1 COLLATE latin1_nopad_bin"),
        (MYSQL, "utf8mb4_0900_ai_ci", "CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin"),
        (MYSQL, "latin1_swedish_ci", "CHARACTER SET latin1 COLLATE latin1_bin"),
        (POSTGRESQL, "insensitive", 'TYPE text COLLATE "C"'),
        (SQLITE, "NOCASE", "COLLATE BINARY"),
    ],
)
def test_pairs_are_shown_so_that_they_look_different(facts: Facts, collation: str, way_out: str) -> None:
    concern = only(CHECK, facts, **loose(facts, collation), **PAIRS)
    assert concern.level == "warning"
    assert f"activity_id by {collation}" in concern.message
    assert concern.message.endswith('activity_1 and Activity_1; activity_2 and "activity_2 "')
    assert way_out in concern.hint


def test_a_composite_pair_is_shown_whole() -> None:
    found = duplicates(groups=1, pairs=(Pair(("d1", "A"), ("d1", "a")),))
    concern = only(CHECK, MARIADB, **loose(MARIADB, "utf8mb4_general_ci"), **found)
    assert concern.message.endswith("(d1, A) and (d1, a)")


def test_a_loose_collation_without_pairs_is_told() -> None:
    concern = only(CHECK, POSTGRESQL, **loose(POSTGRESQL, "und-u-ks-level2"))
    assert concern.level == "note"
    assert "activity_id by und-u-ks-level2" in concern.message


def test_bytes_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == told(CHECK, MARIADB) == told(CHECK, SQLITE) == []
