"""What `repair` says to people: figures that agree with their nouns, lines that fit, the command that comes next."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dedupaudit.conservation import Proof, proof_line
from dedupaudit.repair.apply import SHOWN, Applied
from dedupaudit.repair.databases.protocol import Inspection, Link
from dedupaudit.repair.journal import Entry, Run
from dedupaudit.repair.past import Known, Undone
from dedupaudit.repair.plan import LEFT, Header, Limit, Totals
from dedupaudit.repair.run import Offer
from dedupaudit.repair.telling import (
    applied_lines,
    as_json,
    chosen_by,
    left_for,
    offer_lines,
    plan_summary,
    purge_offer_lines,
    run_json,
    run_lines,
    runs_lines,
    skipped_lines,
    undo_offer_lines,
    undone_lines,
)
from dedupaudit.sources.tables.catalog import Catalog
from tests.cli.reading import dangerous, strict_json
from tests.repair.test_planfile import HOSTILE

PROOF = Proof(
    read=40_000, kept=10_000, quarantined=30_000, journalled=30_000, deleted=30_000, mismatched=0, odd_groups=0,
    seconds=1.2,
)  # fmt: skip
RUN = Run(
    id="20251224T081530-3f2a9c", plan="0" * 64, table_name="activities", table_real='main."activities"', columns="[]",
    state="done", token=1, who="ops", host="db-1", process=4711, version="1.0",
    started_at="2025-12-24T08:15:30.000001Z", updated_at="2025-12-24T08:16:30Z", finished_at="2025-12-24T08:16:30Z",
    position=10_000, chunks=20,
    groups_done=10_000, groups_skipped=0, rows_kept=10_000, rows_deleted=30_000, proof=PROOF.as_json(),
)  # fmt: skip
LINK = Link("a_rather_long_name_of_a_foreign_key", Catalog("child", '"child"', "table", ()), ("a",), ("id",))
WIDTHS = (80, 100, 120)


def header(**totals: Any) -> Header:
    told = {"rows": 1_000_000, "groups": 10_003, "repaired": 10_000, "removed": 30_000, "merged": 12}
    more = {
        "rules": {"earliest": 9_000, "furthest state": 900, "policy newest": 100},
        "left": {"conflicting": 1, "id_collision": 1, "blank key": 1},
        "causes": {"timeout_retry": 9_000, "overlapping_batches": 900, "check_then_act": 102, "unexplained": 1},
    }
    return Header(
        database={"dialect": "sqlite"},
        table="activities",
        created_at="2025-12-24T08:00:00Z",
        real="activities",
        key=("id",),
        primary_key=("seq",),
        columns=(),
        max_delete=Limit(),
        totals=Totals.model_validate({**told, **more, **totals}),
    )


def everything(width: int) -> list[str]:
    """Return all that can be said of usual runs, at one width."""
    skipped = [Entry(3, "skipped", "t", '{"id": "activity_1"}', note="row seq=7 changed since the plan " * 4)] * SHOWN
    some = replace(
        RUN, groups_skipped=2_000, rows_merged=1, children_repointed=5, state="interrupted", message="x " * 90
    )
    offer = Offer(header(), "db.example.org:5432/app", 75.0, 30_000, Inspection(links=(LINK,) * 7), some)
    return [
        *plan_summary(header(), width),
        *offer_lines(offer, width),
        *applied_lines(Applied(RUN, PROOF), width),
        *applied_lines(Applied(RUN), width),
        *applied_lines(Applied(some, None, skipped, "a signal asked for it"), width),
        *applied_lines(Applied(RUN, replace(PROOF, mismatched=3)), width),
        *run_lines(Known(RUN, "done"), (), width),
        *run_lines(Known(some, "interrupted"), skipped, width),
        *runs_lines([Known(RUN, "done"), Known(some, "interrupted")], width),
        *undo_offer_lines(some, "db.example.org:5432/app", width),
        *undone_lines(Undone(some, 3), width),
        *undone_lines(Undone(some, 0, 2), width),
        *purge_offer_lines("activities", [RUN, some], 30_000, "db.example.org:5432/app", width),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_line_fits_the_terminal(width: int) -> None:
    assert not [line for line in everything(width) if len(line) > width]
    assert not [line for line in everything(width) if line != line.rstrip()]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:30])
def test_nothing_foreign_is_shown_raw(value: str) -> None:
    run = replace(RUN, table_name=value, table_real=value, who=value, host=value, version=value, message=value)
    note = Entry(3, "skipped", "t", json.dumps({value: value, "b": {"base64": value}}), note=value)
    told = header(rules={"policy " + value: 1}, left={value: 1}, causes={value: 1})
    told = told.model_copy(update={"table": value})
    lines = [
        *plan_summary(told),
        *run_lines(Known(run, "done"), [note]),
        *runs_lines([Known(run, "done")]),
        *undo_offer_lines(run, "here"),
        *purge_offer_lines(value, [run], 1, "here"),
        *applied_lines(Applied(run, PROOF, [note], value)),
        *skipped_lines([note._replace(pk=value)], 1),
    ]
    assert not dangerous("\n".join(lines))
    assert max(map(len, lines)) < 1000
    raw = as_json({"runs": [run_json(Known(run, "done"))]}).encode()
    assert strict_json(raw)["runs"][0]["table"] == value
    assert not dangerous(raw.decode())


# ---- a plan


def test_a_plan_says_what_goes_what_stays_and_why() -> None:
    assert plan_summary(header()) == [
        "activities: 1,000,000 rows, 10,003 IDs stored more than once",
        "",
        "  remove  30,000 rows (3 % of the table) of 10,000 IDs",
        "         9,000  the rows are identical: the earliest stays",
        "           900  uploads: the row in the furthest state stays",
        "           100  the rows differ: --on-conflict newest chose which stays",
        "            12  of these: the row that stays takes values of the others",
        "  leave   3 IDs as they are",
        "             1  conflicting: its rows differ, and no policy was named",
        "             1  id_collision: its rows are different events under one ID: keep",
        "                all, and widen the key",
        "             1  blank key: its key is blank: such rows are never merged",
        "  causes  timeout_retry 9,000, overlapping_batches 900, check_then_act 102,",
        "          unexplained 1",
    ]


def test_one_of_a_thing_is_one() -> None:
    one = {"rows": 9, "groups": 2, "repaired": 1, "removed": 1, "merged": 0, "left": {"conflicting": 1}}
    text = "\n".join(plan_summary(header(**one)))
    assert "9 rows, 2 IDs" in text
    assert "remove  1 row (11.1 % of the table) of 1 ID\n" in text
    assert "leave   1 ID as it is\n" in text


def test_a_plan_of_nothing_says_so() -> None:
    empty = {"groups": 0, "repaired": 0, "removed": 0, "merged": 0, "rules": {}, "left": {}, "causes": {}}
    assert plan_summary(header(**empty))[-1] == "Nothing to do."
    only_left = {"repaired": 0, "removed": 0, "merged": 0, "rules": {}}
    assert "  remove  nothing" in plan_summary(header(**only_left))


def test_a_plan_of_a_report_says_how_many_of_its_ids_are_still_there() -> None:
    assert plan_summary(header(), 200, 12_000)[0].endswith(", of the 12,000 that the report names")


def test_every_reason_has_words() -> None:
    assert all(left_for(why).startswith(f"{why}: ") for why in LEFT)
    for rule in ("earliest", "furthest state", "object exists", "policy oldest", "policy a:b:max"):
        assert "stays" in chosen_by(rule)


# ---- apply and undo


def test_the_question_names_table_place_links_and_the_way_back() -> None:
    offer = Offer(header(), "db-1:5432/app", 75.0, 30_000, Inspection(links=(LINK,)), replace(RUN, rows_deleted=400))
    text = " ".join(" ".join(offer_lines(offer)).split())
    assert "About to remove 30,000 rows of activities in db-1:5432/app:" in text
    assert "1 foreign key (a_rather_long_name_of_a_foreign_key): child rows are re-pointed" in text
    assert f"run {RUN.id} goes on: 400 rows of these removed already" in text
    assert "`dedupaudit repair undo` brings it back" in text


def test_the_next_command_stands_whole_on_its_own_line() -> None:
    where = " --db " + "x" * 100
    command = f"  dedupaudit repair undo {RUN.id}{where}"
    assert command in applied_lines(Applied(RUN, PROOF), 80, where)
    assert command in applied_lines(Applied(RUN), 80, where)
    assert command in run_lines(Known(RUN, "done"), (), 80, where)
    assert command in run_lines(Known(RUN, "interrupted"), (), 80, where)
    assert command in run_lines(Known(replace(RUN, state="undoing"), "interrupted"), (), 80, where)


@pytest.mark.parametrize("state", ["running", "undoing", "undone"])
def test_a_run_that_cannot_be_taken_back_now_offers_no_undo(state: Any) -> None:
    assert not [line for line in run_lines(Known(replace(RUN, state=state), state), ()) if "repair undo" in line]


def test_the_proof_is_one_sentence_with_its_figures() -> None:
    assert proof_line(PROOF) == (
        "Nothing was lost: 40,000 rows read under lock = 10,000 kept + 30,000 in quarantine; 30,000 deleted, 30,000"
        " journalled, every hash is equal (proved in 1.2 s)."
    )


@pytest.mark.parametrize(
    "wrong", [{"read": 1}, {"kept": 1}, {"quarantined": 1}, {"journalled": 1}, {"deleted": 1}, {"mismatched": 1}]
)
def test_a_proof_that_does_not_hold_shouts(wrong: dict[str, int]) -> None:
    assert proof_line(replace(PROOF, **wrong)).startswith("CONSERVATION DOES NOT HOLD: ")


@pytest.mark.parametrize("stored", ["{}", "[]", "nonsense", '{"read": 1}', "null"])
def test_a_stored_proof_that_somebody_altered_is_shown_as_it_is(stored: str) -> None:
    assert f"  proof   {stored}" in run_lines(Known(replace(RUN, proof=stored), "done"), ())


def test_skipped_groups_are_named_up_to_a_limit_and_counted_beyond() -> None:
    entry = Entry(3, "skipped", "t", '{"id": "activity_1", "b": {"base64": "/w=="}}', note="row {'seq': 7} changed")
    assert skipped_lines([entry], 1) == ["  skipped id = activity_1, b = /w==: row {'seq': 7} changed"]
    lines = skipped_lines([entry] * SHOWN, SHOWN + 1_000)
    assert lines[-1] == "  and 1,000 more: they are in the journal, with the action 'skipped'"
    assert len(lines) == SHOWN + 1


# ---- runs


def test_runs_are_a_table_that_leaves_out_the_time_where_there_is_no_room() -> None:
    known = [Known(RUN, "done"), Known(replace(RUN, table_name="x" * 30, rows_deleted=5), "interrupted")]
    wide, narrow = runs_lines(known, 120), runs_lines(known, 80)
    assert wide[0].split() == ["RUN", "STATE", "REMOVED", "SKIPPED", "STARTED", "(UTC)", "TABLE"]
    assert narrow[0].split() == ["RUN", "STATE", "REMOVED", "SKIPPED", "TABLE"]
    for lines in (wide, narrow):
        # Figures end where their heading does, and tables begin where theirs does.
        assert {line.index("TABLE") for line in lines[:1]} == {lines[1].rindex("activities"), lines[2].index("x" * 30)}
        assert lines[0].index("REMOVED") + 7 == lines[1].index("30,000") + 6 == lines[2].index(" 5") + 2


def test_no_run_is_said_in_words() -> None:
    assert runs_lines([]) == ["No repair was ever run here."]
