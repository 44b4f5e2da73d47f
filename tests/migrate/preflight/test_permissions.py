"""Missing rights are refused, each with what would give it."""

from __future__ import annotations

from tests.migrate.preflight.recorded import POSTGRESQL, only, told

CHECK = "permissions"


def test_each_missing_right_is_told_as_the_statement_that_gives_it() -> None:
    missing = ("ALTER TABLE public.activities OWNER TO app", "GRANT CREATE ON DATABASE app TO app")
    concern = only(CHECK, POSTGRESQL, missing=missing)
    assert concern.level == "refusal"
    assert all(one in concern.hint for one in missing)


def test_a_role_that_may_is_nothing_to_say() -> None:
    assert told(CHECK, POSTGRESQL) == []
