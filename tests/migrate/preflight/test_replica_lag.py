"""Replicas that are behind, that will be, or that nobody can see."""

from __future__ import annotations

from tests.migrate.preflight.recorded import MARIADB, POSTGRESQL, only, told

CHECK = "replica_lag"


def test_no_replica_and_one_that_follows_are_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
    assert told(CHECK, POSTGRESQL, replicas=1, lag=0.3) == []
    assert told(CHECK, MARIADB, lag=0.0) == []


def test_a_replica_that_is_behind_is_a_warning() -> None:
    concern = only(CHECK, POSTGRESQL, replicas=2, lag=240.0)
    assert concern.level == "warning"
    assert "4 min behind" in concern.message
    assert "--max-lag" in concern.hint


def test_a_replica_of_mariadb_repeats_the_alter() -> None:
    concern = only(CHECK, MARIADB, replicas=1, lag=0.0)
    assert concern.level == "note"
    assert "1 replica repeats the ALTER" in concern.message


def test_a_lag_that_nobody_can_see_is_told() -> None:
    assert "cannot see how far behind" in only(CHECK, POSTGRESQL, replicas=1, lag=None).message
