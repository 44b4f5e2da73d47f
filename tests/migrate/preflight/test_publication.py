"""Logical replication: each side needs its own migration."""

from __future__ import annotations

import pytest

from tests.migrate.preflight.recorded import POSTGRESQL, only, told

CHECK = "publication"


def test_a_published_table_is_told() -> None:
    concern = only(CHECK, POSTGRESQL, published=True)
    assert concern.level == "note"
    assert "the other side gets no constraint" in concern.message
    assert "migrate the subscriber as well" in concern.hint


@pytest.mark.parametrize("published", [False, None])
def test_a_table_that_is_not_is_nothing_to_say(published: bool | None) -> None:
    assert told(CHECK, POSTGRESQL, published=published) == []
