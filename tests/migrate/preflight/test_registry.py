"""The registry: every check is in it, its names are stable, and what it says is for a terminal."""

from __future__ import annotations

import pkgutil
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedupaudit.migrate import preflight
from dedupaudit.migrate.facts import Duplicates, Facts, ForeignKey, KeyColumn, Pair, TableTrigger
from dedupaudit.migrate.preflight import CHECKS, concerns, is_done
from dedupaudit.migrate.preflight.base import Asked
from tests.migrate.preflight.recorded import ASKED, MARIADB, MYSQL, POSTGRESQL, SMALL, SQLITE, duplicates

HOSTILE = "a\x1b[2J\n\u202eb"


def test_every_file_of_a_check_is_registered_once() -> None:
    files = {module.name for module in pkgutil.iter_modules(preflight.__path__)} - {"base"}
    registered = [look.__module__.rpartition(".")[2] for _name, look in CHECKS]
    assert sorted(registered) == sorted(files)
    names = [name for name, _look in CHECKS]
    assert len(set(names)) == len(names)


def test_concerns_come_in_the_order_of_the_registry_and_have_its_names() -> None:
    found = concerns(
        replace(POSTGRESQL, missing=("GRANT CREATE",), read_only="it is a standby", published=True, blank_keys=1), ASKED
    )
    assert [concern.check for concern in found] == ["read_only", "permissions", "blank_keys", "publication"]


@pytest.mark.parametrize("facts", [POSTGRESQL, MARIADB, SQLITE], ids=lambda facts: str(facts.product))
def test_nothing_is_said_where_nothing_is_in_the_way(facts: Facts) -> None:
    assert concerns(facts, SMALL if facts is SQLITE else ASKED) == ()


def test_of_mysql_its_known_bugs_alone_are_told() -> None:
    assert [concern.check for concern in concerns(MYSQL, ASKED)] == ["server_version"]


def test_where_the_key_is_protected_already_only_leftovers_are_told() -> None:
    facts = replace(
        POSTGRESQL,
        protecting="constraint activities_activity_id_key",
        missing=("GRANT CREATE",),
        invalid_indexes=("activities_old",),
        name_taken_by="index activities_activity_id_key on activities",
        version=(9, 6),
    )
    assert is_done(facts, ASKED)
    assert [concern.check for concern in concerns(facts, ASKED)] == ["invalid_leftovers"]


def test_a_protected_key_that_must_become_not_null_is_looked_at_in_full() -> None:
    facts = replace(POSTGRESQL, protecting="index i", nulls_forbidden=False, missing=("ALTER TABLE",))
    asked = replace(ASKED, not_null=True)
    assert not is_done(facts, asked)
    assert [concern.check for concern in concerns(facts, asked)] == ["permissions"]


def test_no_foreign_name_reaches_a_terminal_as_it_is() -> None:
    facts = replace(
        MARIADB,
        key=(KeyColumn(HOSTILE, HOSTILE, True, HOSTILE, bytewise=False, most=9_000, longest=4),),
        null_keys=2,
        blank_keys=2,
        device=HOSTILE,
        engine=HOSTILE,
        missing=(f"GRANT SELECT ON {HOSTILE}",),
        read_only=HOSTILE,
        pooler=HOSTILE,
        name_taken_by=HOSTILE,
        redundant_indexes=(HOSTILE,),
        invalid_indexes=(HOSTILE,),
        prepared_transactions=(HOSTILE,),
        hides_rows=True,
        **duplicates(
            groups=3,
            left={"id_collision": 1, "conflicting": 1, "blank key": 1, HOSTILE: 1},
            first_left=((HOSTILE, "conflicting"), (HOSTILE, "id_collision")),
        ),
    )
    asked = replace(ASKED, table=HOSTILE, quoted=f"`{HOSTILE}`", key=(HOSTILE,), constraint=HOSTILE)
    found = concerns(facts, asked)
    assert len(found) > 12
    for concern in found:
        assert (concern.message + concern.hint).isprintable(), concern


def any_of(kind: type[Any], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return values of a dataclass with every field drawn, and not only those that must be given."""
    return st.builds(kind, **{field.name: ... for field in fields(kind)} | parts)


def several(kind: type[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(any_of(kind), min_size=least, max_size=3).map(tuple)


LEFT = st.dictionaries(
    st.sampled_from(["conflicting", "id_collision", "blank key", "unnamed"]) | st.text(), st.integers(0, 9)
)
FACTS = any_of(
    Facts,
    key=several(KeyColumn, 1),
    foreign_keys=several(ForeignKey),
    triggers=several(TableTrigger),
    duplicates=any_of(Duplicates, pairs=several(Pair), left=LEFT),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(FACTS, any_of(Asked))
def test_whatever_the_facts_something_printable_is_said_and_a_refusal_has_its_way_out(
    facts: Facts, asked: Asked
) -> None:
    for concern in concerns(facts, asked):
        assert (concern.message + concern.hint).isprintable()
        assert concern.hint or concern.level != "refusal"


def test_every_refusal_says_what_to_do() -> None:
    facts = replace(
        POSTGRESQL,
        version=(9, 6),
        missing=("GRANT CREATE",),
        read_only="it is a standby",
        hides_rows=True,
        pooler="the backend changed",
        cluster="galera",
        name_taken_by="index x",
        table_kind="partition",
    )
    found = concerns(facts, ASKED)
    assert len(found) == 8
    assert {concern.level for concern in found} == {"refusal"}
    assert all(concern.hint for concern in found)
