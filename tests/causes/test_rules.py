"""Each cause from the evidence that it needs, and none from evidence that contradicts it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dedupaudit.causes import CAUSES, RULES, judge, row_before_object
from dedupaudit.causes.story import SECOND, Story, on_one_clock
from dedupaudit.sources.logs.protocol import ClientClock, LogEvent

START = 1_766_563_274 * SECOND


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def event(name: str, seconds: float | None, file: str = "app.log") -> LogEvent:
    return LogEvent(name, "x_1", None if seconds is None else at(seconds), None, file, 1, 0)


def events(*told: tuple[str, float | None]) -> tuple[LogEvent, ...]:
    made = [event(name, seconds) for name, seconds in told]
    return tuple(sorted(made, key=lambda one: (one.at is None, one.at or 0)))


Stored = tuple[tuple[int | None, str], ...]
"""The time and the device of each row."""


def rows(*seconds: float | None, devices: tuple[str, ...] = ()) -> Stored:
    return tuple(
        (None if moment is None else at(moment), devices[number] if devices else "d1")
        for number, moment in enumerate(seconds)
    )


def story(
    stored: Stored, told: tuple[LogEvent, ...] = (), *, differs: tuple[str, ...] = (), upload: bool = False
) -> Story:
    return Story(
        count=len(stored),
        moments=tuple(moment for moment, _ in stored),
        differs=differs,
        devices=len({device for _, device in stored}),
        upload=upload,
        events=told,
        logs=bool(told),
    )


RETRIED = events(
    ("send", 0), ("receive", 0.01), ("db_write", 0.02), ("response_lost", 0.03), ("timeout", 30), ("requeue", 30),
    ("resend", 60), ("receive", 60.01), ("db_write", 60.02), ("response", 60.03),
)  # fmt: skip
ONCE = events(("send", 0), ("receive", 0.01), ("db_write", 0.02), ("response", 0.03))
TWICE_FIRST = events(("send", 0), ("send", 0.001), ("receive", 0.01), ("receive", 0.012), ("db_write", 0.02))


def named(told: Story) -> tuple[str, str]:
    judgement = judge(told)
    return judgement.name, judgement.confidence


def test_the_names_are_those_of_the_contract() -> None:
    assert CAUSES == (
        "timeout_retry", "overlapping_batches", "check_then_act", "several_devices", "id_collision",
        "row_before_object", "unexplained",
    )  # fmt: skip
    assert RULES[0].__module__.endswith("id_collision")


# ---- timeout_retry


def test_a_requeue_between_two_rows_proves_a_retry() -> None:
    judgement = judge(story(rows(0.02, 60.02), RETRIED))
    assert (judgement.name, judgement.confidence) == ("timeout_retry", "proved")
    assert "gave up after 30.0 s" in judgement.why
    assert judgement.enabled_by == ("missing_unique", "no_idempotency_check")
    assert "requeue" in {line.event for line in judgement.lines}


def test_a_lost_answer_between_two_rows_makes_a_retry_likely() -> None:
    told = events(("receive", 0), ("db_write", 0.02), ("response_lost", 0.03), ("receive", 60), ("db_write", 60.02))
    assert named(story(rows(0.02, 60.02), told)) == ("timeout_retry", "likely")


@pytest.mark.parametrize("gaps", [(30.0,), (45.0, 60.0), (94.0,)])
def test_rows_as_far_apart_as_a_retry_make_one_likely(gaps: tuple[float, ...]) -> None:
    moments = [0.0]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    assert named(story(rows(*moments))) == ("timeout_retry", "likely")


@pytest.mark.parametrize("gaps", [(0.0, 24.0), (0.0, 96.0), (0.0, 60.0, 7_200.0)])
def test_rows_at_other_distances_explain_nothing(gaps: tuple[float, ...]) -> None:
    assert named(story(rows(*gaps))) == ("unexplained", "none")


def test_logs_that_know_of_one_way_contradict_a_retry() -> None:
    judgement = judge(story(rows(0.02, 60.02), ONCE))
    assert (judgement.name, judgement.confidence) == ("unexplained", "none")
    assert "one send and one receive" in judgement.why


def test_a_requeue_at_another_time_proves_nothing() -> None:
    told = events(("send", 500), ("requeue", 530), ("resend", 560))
    name, confidence = named(story(rows(0.02, 60.02), told))
    assert confidence != "proved", name


def test_rows_without_times_are_not_held_against_logs() -> None:
    judgement = judge(story(rows(None, None), RETRIED))
    assert judgement.name == "unexplained"
    assert "no time" in judgement.why


def test_a_clients_log_alone_proves_a_retry_where_rows_follow_its_sends_at_once() -> None:
    told = events(("send", 0), ("timeout", 30), ("requeue", 30), ("resend", 60))
    unknown = replace(story(rows(0.02, 60.02), told), clocks=False)
    assert named(unknown) == ("timeout_retry", "proved")
    # Nothing says that a clock that differs by ten seconds is right.
    assert named(replace(story(rows(10.02, 70.02), told), clocks=False)) == ("timeout_retry", "likely")


# ---- overlapping_batches


def test_a_second_send_before_the_first_row_proves_an_overlap() -> None:
    told = events(("send", 0), ("requeue", 30), ("resend", 30.1), ("receive", 30.4), ("receive", 31))
    judgement = judge(story(rows(30.5, 31.1), told))
    assert (judgement.name, judgement.confidence) == ("overlapping_batches", "proved")
    assert "400 ms before the first row" in judgement.why


def test_equal_rows_moments_apart_make_an_overlap_likely_and_of_pictures_a_check_then_act() -> None:
    assert named(story(rows(0, 0.7))) == ("overlapping_batches", "likely")
    assert named(story(rows(0, 0.7), upload=True)) == ("check_then_act", "likely")


def test_a_slow_backend_whose_row_came_before_the_second_send_is_no_overlap() -> None:
    told = events(("send", 0), ("requeue", 30), ("receive", 0.1), ("resend", 60), ("receive", 60.1))
    assert named(story(rows(45, 60.2), told))[0] != "overlapping_batches"


def test_a_first_send_that_was_lost_is_no_overlap() -> None:
    """Two sends went before the first row, and only the second of them reached the backend."""
    told = events(
        ("send", 0), ("requeue", 30), ("resend", 60), ("receive", 60.02), ("requeue", 90), ("resend", 90.1),
        ("receive", 90.12), ("db_write", 85), ("db_write", 90.2),
    )  # fmt: skip
    assert named(story(rows(85, 90.2), told)) == ("timeout_retry", "likely")
    # Without the line of the third send, and what the backend wrote, nothing of both is proved.
    torn = tuple(one for one in told if one.event in ("send", "resend") and one.at != at(90.1))
    assert named(story(rows(85, 90.2), torn))[1] != "proved"


def test_a_retry_whose_next_request_nobody_saw_is_not_proved() -> None:
    assert named(story(rows(0.02, 60.02), events(("send", 0), ("requeue", 30)))) == ("timeout_retry", "likely")


# ---- check_then_act


def test_two_requests_inside_before_anything_was_stored_prove_a_check_then_act() -> None:
    told = events(
        ("send", 0), ("requeue", 30), ("resend", 30), ("receive", 30.01), ("receive", 30.2), ("upload_done", 40),
        ("upload_done", 40.2), ("db_write", 40.02), ("db_write", 40.22),
    )  # fmt: skip
    checked = replace(story(rows(40.02, 40.22), told, upload=True), checking=True)
    assert named(checked) == ("check_then_act", "proved")
    # A backend that never looks has nothing between a look and the insert.
    assert named(replace(checked, checking=False)) == ("check_then_act", "likely")
    # Nor has one that uploads nothing.
    assert named(replace(checked, upload=False))[0] == "overlapping_batches"


def test_a_second_request_after_the_first_object_is_no_check_then_act() -> None:
    told = events(("receive", 0), ("upload_done", 5), ("db_write", 5.1), ("receive", 36), ("upload_done", 41))
    checked = replace(story(rows(5.1, 41.1), told, upload=True), checking=True)
    assert named(checked)[0] != "check_then_act"


# ---- several_devices, id_collision


def test_equal_rows_of_several_devices() -> None:
    both = rows(0, 4.2, devices=("d1", "d2"))
    assert named(story(both)) == ("several_devices", "likely")
    assert named(story(both, events(("send", 0), ("send", 4.2)))) == ("several_devices", "proved")
    # Two pictures of one size may still be two pictures.
    assert named(story(both, events(("send", 0), ("send", 4.2)), upload=True)) == ("several_devices", "likely")
    assert named(replace(story(both, events(("send", 0), ("send", 4)), upload=True), etags=True)) == (
        "several_devices",
        "proved",
    )


def test_different_things_of_two_devices_are_a_collision_with_or_without_logs() -> None:
    both = rows(0, 0.001, devices=("d1", "d2"))
    assert named(story(both, differs=("data",))) == ("id_collision", "likely")
    assert named(story(both, TWICE_FIRST, differs=("data",))) == ("id_collision", "proved")
    assert judge(story(both, TWICE_FIRST, differs=("data",))).enabled_by == ("missing_unique",)


def test_different_things_of_one_device_are_a_collision_where_no_retry_lies_between() -> None:
    both = rows(0, 0.001)
    assert named(story(both, differs=("data",))) == ("id_collision", "likely")
    assert named(story(both, TWICE_FIRST, differs=("data",))) == ("id_collision", "proved")
    assert named(story(both, ONCE, differs=("data",)))[0] == "id_collision"


def test_a_collision_and_a_retry_of_one_of_both_is_a_collision() -> None:
    told = events(("send", 0), ("send", 0.001), ("requeue", 30), ("resend", 60))
    three = rows(0.02, 0.021, 60.02)
    judgement = judge(story(three, told, differs=("data",)))
    assert judgement.name == "id_collision"
    assert judgement.enabled_by == ("missing_unique", "no_idempotency_check")
    without_sends = events(("requeue", 30), ("resend", 60))
    assert judge(story(three, without_sends, differs=("data",))).name == "id_collision"


def test_a_retry_that_came_changed_is_never_called_proved() -> None:
    assert named(story(rows(0.02, 60.02), RETRIED, differs=("data",))) == ("timeout_retry", "likely")


def test_a_guarded_table_is_not_said_to_lack_a_constraint() -> None:
    guarded = replace(story(rows(0.02, 60.02), RETRIED), unguarded=False)
    assert judge(guarded).enabled_by == ("no_idempotency_check",)


# ---- row_before_object


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (events(("receive", 0), ("db_write", 1), ("upload_failed", 2), ("idempotent_skip", 31)), "proved"),
        (events(("upload_failed", 2)), "likely"),
        (events(("db_write", 1), ("upload_done", 2)), "none"),
        (events(("upload_failed", 1), ("db_write", 2)), "none"),
        (events(("send", 1)), "none"),
        ((), "none"),
    ],
)
def test_a_failed_upload_after_the_row_explains_a_missing_object(told: tuple[LogEvent, ...], expected: str) -> None:
    judgement = row_before_object.judge(told)
    assert judgement.confidence == expected
    assert judgement.name == ("unexplained" if expected == "none" else "row_before_object")


# ---- clocks


def test_a_clients_times_are_set_right_and_the_backends_are_left_alone() -> None:
    told = [event("requeue", 130, "fast.log"), event("receive", 61, "backend.log"), event("send", None, "fast.log")]
    right = on_one_clock(told, {("fast.log", None): ClientClock(100.0)}, lambda file: file)
    assert [(one.event, one.at) for one in right] == [("requeue", at(30)), ("receive", at(61)), ("send", None)]
