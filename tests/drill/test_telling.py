"""What a drill says: the verdict first, one table that fits the terminal, and a document with every figure."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from dedupaudit.drill.answering import SCHEMA, drill_json, exit_code, would_duplicate
from dedupaudit.drill.protocol import DrillResult, Hole, StrategyResult
from dedupaudit.drill.telling import cleaned_lines, drill_lines
from dedupaudit.errors import ExitCode
from tests.cli.reading import dangerous
from tests.drill.samples import (
    CLEAN,
    FAILED,
    HELD,
    NOT_SHOWN,
    OPEN,
    PROTECTED,
    SHAPE,
    SHOWN,
    SKIPPED,
    UNCLEAR,
    UNPROTECTED,
)

EVERY = (HELD, FAILED, PROTECTED, UNPROTECTED, OPEN)


def told(result: DrillResult, width: int = 80) -> str:
    return "\n".join(drill_lines(result, width, " --db sqlite:///app.db"))


def first(result: DrillResult) -> str:
    """Return what stands before the table, as one line."""
    return " ".join(told(result).partition("\n\n")[0].split())


# ---- the first sentence


def test_what_holds_is_said_first_and_what_was_not_tried_with_its_reason() -> None:
    assert first(HELD) == (
        "Holds: unique. No duplicate, nothing lost and no wrong answer in 1,234 requests."
        " Not tried: redis-lock (no --redis was given)."
    )


def test_a_drill_too_small_for_every_fault_says_so() -> None:
    assert "So few IDs do not meet every fault: --ids 50 or more do." in first(replace(HELD, ids=49))
    assert "So few" not in first(replace(HELD, ids=50)) + first(replace(UNPROTECTED, ids=1))


def test_what_does_not_hold_is_said_before_all_else_with_an_example() -> None:
    assert first(FAILED).startswith(
        "DOES NOT HOLD: version (1 lost event, such as activity_1; 1 wrong answer, such as activity_1). Holds: unique."
    )


def test_a_textbook_version_that_showed_no_hole_is_no_proof() -> None:
    assert "Showed no hole this time, which proves nothing: states-textbook." in first(
        replace(HELD, strategies=(CLEAN, NOT_SHOWN))
    )


def test_textbook_versions_alone_say_nothing_of_what_to_use() -> None:
    assert first(replace(HELD, strategies=(SHOWN,))).startswith("No recommended strategy was tried")


def test_what_nobody_could_judge_is_not_called_held() -> None:
    said = first(replace(HELD, strategies=(UNCLEAR,)))
    assert said.startswith("UNCLEAR: unique (the scan could not look).")
    assert "\nunique: the scan could not look\n" in told(replace(HELD, strategies=(UNCLEAR,)))
    assert "Holds" not in said


def test_the_question_of_against_is_answered_in_the_first_line() -> None:
    question = "Would a retry duplicate in app.activities today? "
    assert first(PROTECTED) == question + "No: not one second row of (id) went in, in 1,234 requests."
    assert first(UNPROTECTED).startswith(question + "YES: 37 surplus rows of (id) went in, in 1,234 requests.")
    assert "\n  dedupaudit migrate plan app.activities --db sqlite:///app.db\n" in told(UNPROTECTED)
    assert "migrate plan" not in told(PROTECTED) + told(OPEN)
    assert first(OPEN) == question + "It cannot be said: the trigger guard was left out."


def test_what_was_copied_and_left_out_is_told_and_why() -> None:
    said = told(OPEN)
    assert "id, device_id, data" in said
    assert "trigger guard: it writes to another schema" in said


# ---- the table


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
@pytest.mark.parametrize("result", EVERY)
def test_no_line_is_wider_than_the_terminal(result: DrillResult, width: int) -> None:
    commands = [line for line in drill_lines(result, width) if line.startswith("  dedupaudit ")]
    # The table needs 80 columns; nobody reads it in fewer.
    assert max(len(line) for line in drill_lines(result, width) if line not in commands) <= max(width, 80)


def test_every_figure_stands_below_its_head() -> None:
    """Figures that differ, so that no two columns can be confused."""
    one = replace(
        CLEAN,
        requests=11,
        rows=12,
        duplicates=13,
        lost=14,
        objects=15,
        double_uploads=16,
        wrong_answers=17,
        stuck=18,
        deadlocks=19,
        per_second=20.0,
        p50_ms=21.0,
        p99_ms=22.0,
    )
    lines = drill_lines(replace(HELD, strategies=(one,)), 160)
    at = next(number for number, line in enumerate(lines) if line.startswith("unique"))
    above, below, row = lines[at - 2 : at + 1]
    heads = [
        "requests",
        "rows",
        "cates",
        "lost",
        "objects",
        "uploads",
        "answers",
        "stuck",
        "locks",
        "second",
        "ms",
        "ms",
    ]
    assert below.split() == heads
    assert above.split() == ["dupli-", "double", "wrong", "dead-", "per", "p50", "p99"]
    assert row.split() == ["unique", *map(str, range(11, 23)), "holds"]
    position = 0
    for head, figure in zip(heads, range(11, 23), strict=True):
        position = below.index(head, position) + len(head)
        assert row[:position].endswith(f" {figure}")


def test_eighty_columns_have_the_same_figures_on_two_lines() -> None:
    narrow, wide = told(HELD, 80), told(HELD, 160)
    assert "413 a second  p50 3.4 ms  p99 1,105 ms" in narrow
    row = next(line for line in wide.splitlines() if line.startswith("unique"))
    short = next(line for line in narrow.splitlines() if line.startswith("unique"))
    assert row.startswith(short.rstrip())


def test_the_recommended_stand_before_the_textbook_and_the_skipped_in_no_row() -> None:
    lines = drill_lines(replace(HELD, strategies=(SHOWN, SKIPPED, CLEAN)), 120)
    starts = [line.split()[0] for line in lines if line]
    assert starts.index("unique") < starts.index("The") < starts.index("check-then-act")
    assert "redis-lock" not in starts


def test_a_hole_is_told_with_what_was_seen_of_it() -> None:
    assert (
        "\ncheck-then-act: between the look and the act another request looks\n"
        "       37  surplus rows, such as activity_1766557428498\n"
        "        9  double uploads, such as screenshot_1766557428498\n"
    ) in told(HELD)
    assert "\nversion:\n        1  lost event, such as activity_1\n" in told(FAILED)
    not_shown = told(replace(HELD, strategies=(NOT_SHOWN,)))
    assert "states-textbook: a crash leaves `uploading` for ever\n           nothing of it was seen" in not_shown


def test_what_was_not_counted_is_no_zero() -> None:
    row = next(line for line in drill_lines(replace(HELD, strategies=(UNCLEAR,))) if line.startswith("unique"))
    assert row.split() == ["unique", "1,234", "500", "-", "0", "100", "0", "0", "0"]


def test_leftovers_come_with_the_command_that_removes_them() -> None:
    said = told(replace(HELD, leftovers=("dedupaudit_drill_a", "dedupaudit_drill_b")))
    assert "Left behind by killed drills: dedupaudit_drill_a, dedupaudit_drill_b." in said
    assert said.endswith("\n  dedupaudit drill --clean --db sqlite:///app.db")
    assert "killed" not in told(HELD)


def test_cleaning_says_what_went_and_that_there_was_nothing() -> None:
    assert cleaned_lines(("a", "b")) == ["Removed what 2 killed drills left behind: a, b."]
    assert cleaned_lines(()) == ["Nothing to remove: no drill left anything behind."]


HOSTILE = "\x1b[31mred\r\n\u202e' OR 1=1 --\0\ud800"


def test_foreign_values_reach_no_terminal_as_they_are() -> None:
    shape = replace(
        SHAPE,
        table=HOSTILE,
        columns=(HOSTILE,),
        key=(HOSTILE,),
        constraints=(HOSTILE,),
        triggers=(HOSTILE,),
        left_out=((HOSTILE, HOSTILE),),
    )
    one = replace(CLEAN, verdict="unknown", reason=HOSTILE, holes=(Hole("lost", 1, HOSTILE),))
    for verdict in ("unknown", "broken", "holds"):
        against = replace(
            PROTECTED,
            strategies=(replace(one, verdict=verdict, duplicates=1),),
            against=shape,
            database=HOSTILE,
            scratch=HOSTILE,
            objects=HOSTILE,
            redis=HOSTILE,
            leftovers=(HOSTILE,),
        )
        for result in (against, replace(against, against=None)):
            lines = drill_lines(result, 80)
            assert all("\n" not in line for line in lines)
            assert not dangerous("\n".join(lines))


# ---- the document


def test_the_document_has_every_figure_by_its_name_and_null_where_it_was_skipped() -> None:
    document = json.loads(json.dumps(drill_json(HELD)))
    assert document["schema"] == SCHEMA == "dedupaudit.drill/1"
    ran, skipped, shown = document["strategies"]
    figures = {field.name for field in fields(StrategyResult)} - {"strategy", "holes", "verdict", "reason"}
    assert len(figures) == 12
    assert {name: ran[name] for name in figures} == {name: getattr(CLEAN, name) for name in figures}
    assert {name: skipped[name] for name in figures} == dict.fromkeys(figures)
    assert (skipped["verdict"], skipped["reason"], ran["reason"]) == ("skipped", "no --redis was given", None)
    assert shown["holes"][0] == {"what": "duplicates", "count": 37, "example": "activity_1766557428498"}
    own = {field.name for field in fields(DrillResult)}
    assert own < set(document)
    assert document["against"] is None


@pytest.mark.parametrize(("result", "duplicates"), [(PROTECTED, False), (UNPROTECTED, True), (OPEN, None)])
def test_the_document_answers_the_question_of_against(result: DrillResult, duplicates: bool | None) -> None:
    against = drill_json(result)["against"]
    assert isinstance(against, dict)
    assert against["would_duplicate"] is duplicates
    assert against["key"] == ["id"]
    assert against["left_out"][0].keys() == {"what", "why"}


# ---- the exit code


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (HELD, ExitCode.CLEAN),
        (FAILED, ExitCode.FAILED),
        (replace(HELD, strategies=(UNCLEAR,)), ExitCode.FAILED),
        (replace(HELD, strategies=(CLEAN, NOT_SHOWN)), ExitCode.CLEAN),
        (PROTECTED, ExitCode.CLEAN),
        (UNPROTECTED, ExitCode.FAILED),
        (OPEN, ExitCode.INCOMPLETE),
    ],
)
def test_the_exit_code_says_whether_it_held(result: DrillResult, code: ExitCode) -> None:
    assert exit_code(result) == code


def test_nobody_asked_whether_a_retry_would_duplicate() -> None:
    assert would_duplicate(HELD) is None
