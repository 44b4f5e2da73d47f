"""Any table, any policy: a plan changes nothing, apply keeps one row a key and touches nothing else, undo is exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from dedupaudit.errors import Refused
from tests.repair.databases import DATABASES, Database, Dump, checksum
from tests.repair.oracle import Expected, Row, expect
from tests.repair.repairing import Repairing, groups_of, small_chunks
from tests.repair.tables import Case, cases

every_database = pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))


def holds(database: Database, case: Case) -> None:
    """Plan, apply and take back one table, and compare each step with the oracle."""
    with TemporaryDirectory(prefix="dedupaudit-test-") as folder, pytest.MonkeyPatch.context() as patch:
        small_chunks(patch, case.chunk)
        repairing = Repairing(database, Path(folder), {"t": case.settings})
        case.make(database)
        expected = expect(case.rules, case.named_rows, case.equal(database))
        note(f"{case}\n{expected}")
        repaired = [one for one in expected if one.survivors]
        before, content = database.dump(), database.content()
        plan = repairing.plan(on_conflict=case.rules.policy, explainer=case.explainer())
        assert database.content() == content
        planned = groups_of(plan)
        assert sum(len(group.victims) for group in planned) == sum(len(one.rows) - 1 for one in repaired)
        assert sum(group.left is not None for group in planned) == len(expected) - len(repaired)
        if not repaired:
            with pytest.raises(Refused, match="removes no row"):
                repairing.apply(plan)
            assert database.content() == content
            return
        applied = repairing.apply(plan)
        assert (applied.exit_code, applied.skipped) == (0, [])
        assert applied.proof is not None
        assert applied.proof.holds
        # A key of very many rows has several lines, and its survivor is read for each.
        lines = sum(group.left is None for group in planned)
        assert applied.proof.read == sum(len(one.rows) for one in repaired) + lines - len(repaired)
        compare(database, case, repaired, before)
        undone = repairing.undo()
        assert (undone.run.state, undone.left) == ("undone", 0)
        assert database.dump() == before
        assert checksum(database.dump()) == checksum(before)


def compare(database: Database, case: Case, repaired: Sequence[Expected], before: Dump) -> None:
    """See that exactly one row a key stays, that it is the right one, and that no other row was touched."""
    names = ", ".join(case.columns)
    left = Counter(database.ask(f"SELECT {names} FROM t"))
    untouched = Counter(case.rows)
    for one in repaired:
        untouched -= Counter(by_place(case, one.rows))
    rest = left - untouched
    assert left - rest == untouched
    assert sum(rest.values()) == len(repaired)
    for one in repaired:
        found = [row for row in by_place(case, one.survivors) if rest[row]]
        assert found, f"none of {one.survivors} is left: {rest}"
        rest[found[0]] -= 1
    after = database.dump()
    own = {name for name in after if name.rpartition(".")[2] == "t"}
    assert len(own) == 1
    assert {name: rows for name, rows in after.items() if name not in own} == {
        name: rows for name, rows in before.items() if name not in own
    }
    # Byte for byte: all that is left was there, but for the rows that took values of others.
    (t,) = own
    new = Counter(after[t]) - Counter(before[t])
    assert sum(new.values()) <= (len(repaired) if case.rules.uploads else 0)


def by_place(case: Case, rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """Return rows by name as rows by place."""
    return [tuple(row[name] for name in case.columns) for row in rows]


@every_database
@settings(max_examples=12)
@given(data=st.data())
def test_any_table_is_repaired_by_the_rules_and_taken_back_exactly(database: Database, data: st.DataObject) -> None:
    holds(database, data.draw(cases(database)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@every_database
@settings(max_examples=300)
@given(data=st.data())
def test_many_more_tables_are_repaired_by_the_rules_and_taken_back_exactly(
    database: Database, data: st.DataObject
) -> None:
    holds(database, data.draw(cases(database)))
