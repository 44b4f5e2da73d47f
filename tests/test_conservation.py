"""The proof of a repair: stored and read again, and what it says in a report; what somebody altered proves nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from dedupaudit.conservation import JournalledRun, Proof, proof_line, repair_proof

PROOF = Proof(
    read=5, kept=2, quarantined=3, journalled=3, deleted=3, mismatched=0, odd_groups=0, seconds=0.004
)  # fmt: skip
RUN = JournalledRun(
    id="20251224T081530-3f2a9c",
    kind="repair",
    table_real='main."activities"',
    state="done",
    started_at="2025-12-24T08:15:30Z",
    finished_at="2025-12-24T08:16:30Z",
    who="ops",
    host="db-1",
    groups_done=2,
    rows_deleted=3,
    proof=PROOF.as_json(),
    message=None,
)
EVIDENCE = {
    "constraint": "activities_id_key",
    "index_state": "valid",
    "duplicates": 0,
    "probe": "refused",
    "rows_read": 5,
    "rows_kept": 2,
    "rows_quarantined": 3,
    "holds": True,
    "seconds": 1.0,
    "cleaning_seconds": 0.5,
}


def test_a_proof_is_read_as_it_was_stored() -> None:
    assert Proof.stored(PROOF.as_json()) == PROOF


@pytest.mark.parametrize(
    "altered",
    [
        "",
        "null",
        "[]",
        "{}",
        "nonsense",
        '{"read": 1}',
        "[" * 10_000,
        PROOF.as_json().replace("5", '"5"'),
        PROOF.as_json().replace("5", "true"),
        PROOF.as_json().replace('"read"', '"rows"'),
    ],
)
def test_what_is_no_proof_proves_nothing_and_is_shown(altered: str) -> None:
    assert Proof.stored(altered) is None
    told = repair_proof(replace(RUN, proof=altered), "db", "activities")
    assert (told.rows_deleted, told.rows_journalled, told.rows_in_quarantine, told.holds) == (3, None, None, None)
    assert bool(told.said) == bool(altered)


def test_a_stored_holds_is_not_believed() -> None:
    wrong = json.dumps({**asdict(replace(PROOF, quarantined=2)), "holds": True})
    told = repair_proof(replace(RUN, proof=wrong), "db", "activities")
    assert told.holds is False
    assert told.said[0].startswith("CONSERVATION DOES NOT HOLD")


def test_a_run_is_told_with_its_figures_and_its_proof_in_a_sentence() -> None:
    told = repair_proof(RUN, "db", "activities")
    assert (told.run, told.source, told.target, told.state) == (RUN.id, "db", "activities", "done")
    assert (told.groups, told.rows_deleted, told.rows_journalled, told.rows_in_quarantine) == (2, 3, 3, 3)
    assert (told.holds, told.by, told.said) == (True, "ops on db-1", (proof_line(PROOF),))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "undone"}, "The run was taken back: its rows are in the table again."),
        ({"state": "running", "proof": None}, "The run has not ended."),
        ({"message": "its quarantine was dropped\n"}, r"its quarantine was dropped\n"),
    ],
)
def test_what_became_of_a_run_is_said(changes: dict[str, Any], said: str) -> None:
    assert repair_proof(replace(RUN, **changes), "db", "activities").said[-1] == said


def test_a_migration_is_told_by_its_evidence() -> None:
    run = replace(RUN, kind="migrate", proof=json.dumps(EVIDENCE), rows_deleted=0, groups_done=0)
    told = repair_proof(run, "db", "activities")
    assert (told.kind, told.groups, told.rows_deleted, told.holds) == ("migrate", None, 3, True)
    assert told.said == ("Constraint activities_id_key is there: its index is valid, and 0 duplicate IDs left.",)
    altered = repair_proof(replace(run, proof='{"holds": 1, "rows_quarantined": "3"}'), "db", "activities")
    assert (altered.rows_deleted, altered.holds) == (None, None)
    unfinished = repair_proof(replace(run, proof=None, state="running"), "db", "activities")
    assert (unfinished.rows_deleted, unfinished.holds, unfinished.said) == (None, None, ("The run has not ended.",))
