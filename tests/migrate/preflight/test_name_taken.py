"""A name that is taken is refused, and another suggested that fits."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.migrate.preflight.recorded import ASKED, POSTGRESQL, RESUMED, only, told

CHECK = "name_taken"
TAKEN: dict[str, Any] = {"name_taken_by": "index activities_activity_id_key on archive"}


def test_a_free_name_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []


def test_a_taken_name_is_refused_with_another() -> None:
    concern = only(CHECK, POSTGRESQL, **TAKEN)
    assert concern.level == "refusal"
    assert "by index activities_activity_id_key on archive" in concern.message
    assert 'constraint = "activities_activity_id_key_unique"' in concern.hint


@pytest.mark.parametrize("name", ["n" * 63, "\u540d" * 21, "taken_unique", "_unique"])
def test_the_other_name_is_another_and_fits(name: str) -> None:
    hint = only(CHECK, POSTGRESQL, replace(ASKED, constraint=name), **TAKEN).hint
    (other,) = re.findall('constraint = "([^"]*)"', hint)
    assert other != name
    assert len(other.encode()) <= 63


def test_the_name_of_the_run_that_goes_on_is_its_own() -> None:
    assert told(CHECK, POSTGRESQL, RESUMED, **TAKEN) == []
