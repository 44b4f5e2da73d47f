"""What people are told of a migration: complete, in lines that fit, and nothing foreign acts upon a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from dedupaudit.migrate.databases.protocol import Standing
from dedupaudit.migrate.evidence import Migrated
from dedupaudit.migrate.plan import WORDS
from dedupaudit.migrate.rollback import RollbackOffer, RolledBack
from dedupaudit.migrate.run import Offer
from dedupaudit.migrate.status import TableStatus
from dedupaudit.migrate.telling import (
    incident,
    is_unfinished,
    migrated_lines,
    offer_lines,
    rollback_offer_lines,
    rolled_back_lines,
    status_lines,
)
from dedupaudit.migrate.telling_json import migrated_json, plan_json, status_json
from dedupaudit.migrate.telling_plan import plan_lines, table_lines
from dedupaudit.repair.past import Known
from dedupaudit.repair.telling import as_json
from tests.cli.reading import dangerous, strict_json
from tests.migrate.made import CLEANED, FUNCTION, GUARDED, SMALL, concern, evidence, header, run, step

BAD = "x\x1b[31m\u202ey\n-- z"
WIDTHS = [80, 120]


def flat(lines: list[str]) -> str:
    """Return lines as one text: where they were wrapped is nobody's business."""
    return " ".join(" ".join(lines).split())


# ---- a plan


@pytest.mark.parametrize("width", WIDTHS)
def test_a_plan_says_what_is_wanted_what_stands_and_each_step_in_lines_that_fit(width: int) -> None:
    lines = plan_lines(header(), GUARDED, width)
    text = flat(lines)
    assert max(map(len, lines)) <= width
    assert "make (activity_id) unique, by the constraint activities_activity_id_key" in text
    assert "5,000,000 rows, 4,800 IDs stored more than once" in text
    assert "5,000 rows (0.1 % of the table) into quarantine; at most 10 % of the table may go" in text
    assert "4,800 the rows are identical: the earliest stays" in text
    assert "strategy guarded: writers go on" in text
    assert "PREFLIGHT nothing to remark" in text
    assert "STEPS est. 44.9 s without waits, and est. 150 MB of disk" in text
    for number, one in enumerate(GUARDED, start=1):
        assert f"{number}. {one.name} {WORDS[one.name]}" in text
    assert "takes SHARE ROW EXCLUSIVE: keeps out writers for an instant" in text
    assert "takes ACCESS EXCLUSIVE: keeps out readers and writers for an instant" in text


def test_rows_that_take_values_of_others_are_counted() -> None:
    found = {"groups": 2, "removed": 2, "merged": 1, "rules": {"furthest state": 2}, "left": {}}
    text = flat(plan_lines(header(found=found), GUARDED, 80))
    assert "2 uploads: the row in the furthest state stays 1 of these: the row that stays takes values" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_of_time_and_disk_is_marked_as_estimated(width: int) -> None:
    text = flat(plan_lines(header(), GUARDED, width))
    for figure in ("11.9 s", "20 s", "150 MB", "9 s", "4 s", "44.9 s"):
        assert text.count(f"est. {figure}") == text.count(f" {figure}"), figure
    assert "it lasts as long as they do" in text


def test_the_sql_stands_there_in_part_or_to_the_last_line() -> None:
    short, full = plan_lines(header(), GUARDED, 80), plan_lines(header(), GUARDED, 80, in_full=True)
    assert [line.strip() for line in short if "FUNCTION dedupaudit.guard_1a2b() RETURNS" in line] == [
        "CREATE FUNCTION dedupaudit.guard_1a2b() RETURNS trigger …"
    ]
    assert "SET lock_timeout = 0;" not in " ".join(short)
    assert "SET lock_timeout = 0;" in " ".join(full)
    told = [line.removeprefix(" " * 15) for line in full]
    at = told.index(FUNCTION.split("\n")[0])
    assert "\n".join(told[at : at + 6]) == FUNCTION + ";"


def test_of_many_statements_the_first_are_shown_and_the_rest_counted() -> None:
    lines = plan_lines(header(), (step("guard", *[f"SELECT {number}" for number in range(9)]),), 80)
    assert [line.strip() for line in lines if "SELECT" in line] == [f"SELECT {number};" for number in range(6)]
    assert "… 3 more: -v or --sql shows them" in flat(lines)


def test_a_plan_in_one_transaction_says_its_lock_once() -> None:
    text = flat(plan_lines(header(strategy="small"), SMALL, 80))
    assert text.count("takes RESERVED: keeps out writers until all is done") == 1
    assert text.count("under the lock of the first step") == len(SMALL) - 1
    assert "before meanwhile after" in text
    assert "under the guard" not in text


def test_what_each_statement_does_stands_in_a_table_without_broken_words() -> None:
    text = flat(plan_lines(header(), GUARDED, 80))
    for word in ("before", "under the guard", "after", "unique_violation", "CONFLICT", "although"):
        assert word in text


def test_a_word_is_broken_only_where_a_table_has_no_room_for_it() -> None:
    rows = [("", "a"), ("x" * 70, "y" * 30)]
    assert all(len(line) <= 60 for line in table_lines(rows, 60))
    assert "y" * 30 not in "\n".join(table_lines([("", ""), ("x" * 70, "y" * 50)], 60))


def test_refusals_come_first_each_with_its_way_out_and_the_steps_are_left_out() -> None:
    concerns = (
        concern("note", "a note"),
        concern("warning", "a warning"),
        concern("refusal", "the first reason", "do this"),
        concern("refusal", "the second reason", "or that"),
    )
    lines = plan_lines(header(concerns=concerns), GUARDED, 80)
    text = flat(lines)
    assert "PREFLIGHT 2 refusals, 1 warning, 1 note" in text
    assert "REFUSED the first reason → do this REFUSED the second reason → or that warning a warning note" in text
    assert "STEPS" not in text


def test_groups_that_need_a_person_are_told_by_why() -> None:
    found = {"groups": 3, "removed": 0, "rules": {}, "left": {"conflicting": 1, "id_collision": 2}}
    text = flat(plan_lines(header(found=found), GUARDED, 80))
    assert "clean nothing" in text
    assert "person 3 IDs that no rule decides" in text
    assert "2 id_collision: its rows are different events under one ID" in text


def test_where_nothing_is_to_do_it_says_what_protects_the_key() -> None:
    text = flat(plan_lines(header(protecting="activities_pkey"), (), 80))
    assert "(activity_id) is unique already" in text
    assert "activities_pkey keeps it unique; 5,000,000 rows Nothing to do." in text


# ---- apply


def offer(**changes: Any) -> Offer:
    told = {"header": header(), "steps": GUARDED, "place": "primary:5432/app", "age": 180.0, "concerns": ()}
    return Offer(**{**told, "resumed": None, **changes})


@pytest.mark.parametrize("width", WIDTHS)
def test_the_question_says_where_what_and_who_is_kept_out(width: int) -> None:
    told = offer(header=header(not_null=("activity_id",)), concerns=(concern("warning", "a warning", "a way out"),))
    lines = offer_lines(told, width)
    text = flat(lines)
    assert max(map(len, lines)) <= width
    assert "About to make (activity_id) of activities unique in primary:5432/app" in text
    assert "forbids NULL in activity_id" in text
    assert "keeps out writers for an instant (guard)" in text
    assert "keeps out readers and writers for an instant (attach)" in text
    assert "warning a warning → a way out" in text
    assert "made 3 min ago" in text


def test_the_question_says_of_one_transaction_that_all_is_kept_out_until_its_end() -> None:
    text = flat(offer_lines(offer(steps=SMALL), 80))
    assert "waits keeps out writers until all is done (lock)" in text
    assert "while it lasts" not in text


def test_the_question_names_a_run_that_goes_on() -> None:
    text = flat(offer_lines(offer(resumed=run(state="interrupted")), 80))
    assert f"run {run().id}, begun 2026-11-29T02:10:11.000000Z, goes on" in text


def test_the_end_has_figures_evidence_a_sentence_and_the_way_back() -> None:
    migrated = Migrated(run(), (CLEANED,), evidence())
    lines = migrated_lines(migrated, header(), 80, " --db sqlite:///app.db")
    text = flat(lines)
    assert "(activity_id) of activities is unique now, by the constraint activities_activity_id_key" in text
    assert "4 min 19 s, of it 9 s for cleaning" in text
    assert "nothing was lost: 9,800 rows read under lock = 4,800 kept + 5,000 in quarantine" in text
    assert flat([str(incident(migrated, header()))]) in text
    assert lines[-3:] == [
        "To take it back, the constraint first, then the rows:",
        "  dedupaudit migrate rollback activities --db sqlite:///app.db",
        f"  dedupaudit repair undo {CLEANED.id} --db sqlite:///app.db",
    ]


def test_where_no_row_went_there_are_no_rows_to_take_back() -> None:
    assert migrated_lines(Migrated(run(), (), evidence()), header(), 80)[-2] == "To take it back:"


def test_the_sentence_for_the_report_is_one_and_complete() -> None:
    assert incident(Migrated(run(), (CLEANED,), evidence()), header()) == (
        "On 2026-11-29, from 02:10 to 02:14 UTC, the unique constraint activities_activity_id_key was put on activities"
        " (activity_id) online; 5,000 duplicate rows of 4,800 IDs moved into quarantine and none was lost (9,800 read"
        " under lock = 4,800 kept + 5,000 in quarantine); a scan without the new index finds no duplicate; a duplicate"
        " INSERT was refused by activities_activity_id_key (SQLSTATE 23505)."
    )


@pytest.mark.parametrize(
    ("finished", "words"),
    [
        ("2026-11-29T02:10:59.000000Z", "On 2026-11-29 at 02:10 UTC the"),
        ("2026-11-30T00:05:00.000000Z", "From 2026-11-29 02:10 to 2026-11-30 00:05 UTC the"),
    ],
)
def test_the_sentence_says_when(finished: str, words: str) -> None:
    nothing = evidence(rows_read=0, rows_kept=0, rows_quarantined=0)
    said = str(incident(Migrated(run(finished_at=finished), (), nothing), header(strategy="small")))
    assert said.startswith(words)
    assert "in one transaction; no row had to be removed" in said


def test_nothing_claims_that_no_row_was_lost_where_the_proof_does_not_hold() -> None:
    migrated = Migrated(run(), (CLEANED,), evidence(holds=False, duplicates=3))
    text = flat(migrated_lines(migrated, header(), 80))
    assert "none was lost" not in text
    assert "nothing was lost" not in text
    assert "CONSERVATION DOES NOT HOLD" in text
    assert "3 DUPLICATE IDs" in text


def test_what_did_not_get_to_its_end_says_so_and_how_to_go_on_or_give_up() -> None:
    migrated = Migrated(
        run(state="interrupted"), (CLEANED,), stopped="a signal asked for it", stays="no guard is left", signum=15
    )
    text = flat(migrated_lines(migrated, header(), 80))
    assert "stopped: a signal asked for it" in text
    assert "the same command goes on" in text
    assert "no guard is left; the same command goes on" in text
    assert "dedupaudit migrate rollback activities" in text
    assert "report" not in text
    assert migrated_json(migrated, header())["incident"] is None


def test_a_key_that_was_unique_already_is_said_to_be() -> None:
    migrated = Migrated(None, protecting="activities_pkey")
    text = flat(migrated_lines(migrated, header(), 80))
    assert text == "(activity_id) of activities is unique already, by activities_pkey: nothing to do"
    assert migrated_json(migrated, header())["run"] is None
    assert migrated.exit_code == 0


def test_a_plan_that_was_applied_already_says_by_which_run() -> None:
    text = flat(migrated_lines(Migrated(run(), (CLEANED,), evidence()), header(), 80, already=True))
    assert text.startswith(f"This plan was applied already, by run {run().id} at 2026-11-29T02:14:30")


# ---- status and rollback


def status(**changes: Any) -> TableStatus:
    nothing = Standing(lookup="none", guard="none", unique="none", nulls_forbidden=False)
    told = {"table": "activities", "place": "app.db", "key": ("activity_id",), "protecting": None, "wanted": "u"}
    return TableStatus(**{**told, "standing": nothing, "invalid": (), "runs": (), **changes})


INTERRUPTED = Known(run(state="running"), "interrupted")
CASES = [
    (status(), "is NOT kept unique", "migrate plan activities", False),
    (status(protecting="u"), "is unique", "u keeps it unique", False),
    (
        status(protecting="u", standing=Standing("ready", "complete", "constraint", False, ("guard g",))),
        "is unique; a migration is not finished yet",
        "left over guard g",
        True,
    ),
    (
        status(standing=Standing("ready", "complete", "none", False, ("lookup index l",)), runs=(INTERRUPTED,)),
        "a migration was left in the middle",
        "lookup index l",
        True,
    ),
    (status(standing=Standing("none", "partial", "none", False)), "left in the middle", "PARTLY there", True),
    (status(standing=Standing("none", "none", "invalid", False)), "left in the middle", "u is INVALID", True),
    (
        status(runs=(Known(run(state="running"), "running"),), standing=Standing("ready", "complete", "none", False)),
        "is being made unique right now",
        "running",
        False,
    ),
    (status(runs=(Known(run(state="undoing"), "undoing"),)), "is being rolled back right now", "undoing", False),
    (status(invalid=("other_idx",)), "is NOT kept unique", "indexes of others: other_idx", False),
]


@pytest.mark.parametrize(("found", "state", "more", "unfinished"), CASES)
def test_status_tells_each_state_and_what_to_do(found: TableStatus, state: str, more: str, unfinished: bool) -> None:
    lines = status_lines([found], 80)
    assert state in flat(lines)
    assert more in flat(lines)
    assert ("migrate rollback activities" in flat(lines)) == unfinished == is_unfinished(found)
    assert status_json(found)["unfinished"] is unfinished
    assert max(map(len, lines)) <= 80


def test_status_of_several_tables_keeps_them_apart() -> None:
    lines = status_lines([status(), status(table="screenshots")], 80)
    assert lines.index("") < next(number for number, line in enumerate(lines) if line.startswith("screenshots"))


def test_a_rollback_names_what_it_removes_and_what_stays() -> None:
    text = flat(rollback_offer_lines(RollbackOffer("activities", "app.db", ("guard g", "the constraint u"), run()), 80))
    assert "removes guard g removes the constraint u" in text
    assert "stays quarantine" in text
    text = flat(rolled_back_lines(RolledBack(run(), ("guard g",)), "activities", 80))
    assert "removed guard g" in text
    assert "repair undo" in text


def test_a_rollback_that_was_stopped_does_not_say_that_it_is_done() -> None:
    text = flat(rolled_back_lines(RolledBack(run(), (), 15), "activities", 80))
    assert "is rolled back" not in text
    assert "the same command goes on" in text


# ---- hostile names


def test_no_foreign_value_acts_upon_a_terminal_or_begins_a_line() -> None:
    bad = header(
        table=BAD, real=f'"{BAD}"', key=(BAD,), constraint=BAD, not_null=(BAD,), why=BAD,
        behaviour=[{"statement": BAD, "before": BAD, "under": BAD, "after": BAD}],
        concerns=(concern("warning", BAD, BAD),),
    )  # fmt: skip
    hostile = run(table_name=BAD, who=BAD, host=BAD, message=BAD, started_at="2026-11-29T02:10:11\x1b[0m")
    told = evidence(constraint=BAD, index_state=BAD, probe=BAD)
    steps = (GUARDED[0].model_copy(update={"why": BAD, "lock": BAD, "sql": (f'CREATE INDEX "{BAD}"',)}), *GUARDED[1:])
    standing = Standing("none", "partial", "none", False, (BAD,))
    known = (Known(hostile, "interrupted"),)
    bad_status = status(table=BAD, place=BAD, key=(BAD,), protecting=BAD, wanted=BAD, standing=standing, runs=known)
    every = [
        *plan_lines(bad, steps, 80, in_full=True),
        *plan_lines(bad.model_copy(update={"protecting": BAD}), (), 80),
        *offer_lines(offer(header=bad, place=BAD, resumed=hostile, concerns=bad.concerns, steps=steps), 80),
        *migrated_lines(Migrated(hostile, (hostile,), told), bad, 80),
        *migrated_lines(Migrated(hostile, (), stopped=BAD), bad, 80),
        *status_lines([bad_status], 80),
        *rollback_offer_lines(RollbackOffer(BAD, BAD, (BAD,), hostile), 80),
        *rolled_back_lines(RolledBack(hostile, (BAD,)), BAD, 80),
    ]
    assert not dangerous("\n".join(every))
    assert not [line for line in every if "\n" in line]
    documents = [plan_json(bad, steps, BAD), migrated_json(Migrated(hostile, (), told), bad), status_json(bad_status)]
    assert not dangerous("\n".join(map(as_json, documents)))


# ---- for programs


def test_json_has_all_of_it() -> None:
    planned = strict_json(as_json(plan_json(header(), GUARDED, "plan.jsonl")).encode())
    assert (planned["state"], planned["plan"], planned["schema"]) == ("planned", "plan.jsonl", "dedupaudit.plan/1")
    assert [one["name"] for one in planned["steps"]] == [one.name for one in GUARDED]
    refused = plan_json(header(concerns=(concern("refusal", "no"),)), GUARDED, None)
    assert (refused["state"], refused["plan"]) == ("refused", None)
    assert plan_json(header(protecting="u"), (), None)["state"] == "done"
    told = strict_json(as_json(migrated_json(Migrated(run(), (CLEANED,), evidence()), header())).encode())
    assert told["evidence"] == asdict(evidence())
    assert told["run"]["kind"] == "migrate"
    assert [one["id"] for one in told["cleaned"]] == [CLEANED.id]
    assert told["incident"].startswith("On 2026-11-29")
