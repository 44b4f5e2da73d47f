"""What is made of answers, rows, objects and uploads: lost, wrong, double, stuck; and when nobody can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.drill.clients import Ending, Observed, Told
from dedupaudit.drill.judging import Audit, Rows, double_uploads, judge, judge_table
from dedupaudit.drill.messages import Put
from dedupaudit.drill.protocol import Answer, Event, Said, Strategy, StrategyResult, TableShape
from dedupaudit.drill.scenario import Client, Plan
from dedupaudit.ingest.events import Activity, Screenshot
from dedupaudit.stores.local import LocalStore

OURS = Strategy("ours", True, "m:f", "target", "a test")
THEIRS = replace(OURS, recommended=False)
CLEAN = Audit(rows=1, duplicates=0, objects=1, high=0)
CLICK = Activity("a", "device", "click", 5, {"x": 1, "text": "开始"})
SHOT = Screenshot("s", "device", 5, b"picture")
OTHER = replace(SHOT, picture=b"another")
KEY = "screenshots/device/s.jpg"


def row(event: Event, **more: object) -> dict[str, object]:
    values: dict[str, object] = {"id": event.id, "device_id": event.device_id, "timestamp": event.timestamp}
    if isinstance(event, Activity):
        return {**values, "type": event.type, "data": '{"text": "开始", "x": 1}', **more}
    return {**values, "status": "completed", "oss_key": KEY, **more}


class Scene:
    """One ID: what its clients sent and were told, its rows, and its objects."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder.as_uri())
        self.rows: list[dict[str, object]] = []
        self.told: list[Told] = []

    def says(self, event: Event, said: Said | None, url: str | None = None, ending: Ending = "told") -> Scene:
        answer = Answer(said, url) if said else None
        self.told.append(Told(0, event, ending if said else "gave_up" if ending == "told" else ending, answer))
        return self

    def has(self, *rows: dict[str, object]) -> Scene:
        self.rows += rows
        return self

    def judged(
        self, strategy: Strategy = OURS, audited: Audit = CLEAN, events: Sequence[Event] = (), **observed: Any
    ) -> StrategyResult:
        sent = [*(one.event for one in self.told), *events]
        by_id = {str(self.rows[0]["id"]): self.rows} if self.rows else {}
        is_activity = isinstance(sent[0], Activity)
        return judge(
            strategy,
            [Plan("plain", tuple(map(Client, sent)))],
            Observed(told=self.told, **observed),
            audited,
            Rows(by_id if is_activity else {}, {} if is_activity else by_id),
            self.store,
            1.0,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def found(result: StrategyResult) -> tuple[int | None, int | None]:
    return result.lost, result.wrong_answers


def test_what_was_stored_and_told_holds(scene: Scene) -> None:
    result = scene.has(row(CLICK)).says(CLICK, "stored").says(CLICK, "duplicate").judged()
    assert (result.verdict, found(result), result.holes) == ("holds", (0, 0), ())


@pytest.mark.parametrize("data", [{"x": 1, "text": "开始"}, b'{"x":1,"text":"\xe5\xbc\x80\xe5\xa7\x8b"}'])
def test_json_is_compared_as_a_value_however_the_driver_gives_it(scene: Scene, data: object) -> None:
    assert scene.has(row(CLICK, data=data)).says(CLICK, "stored").judged().verdict == "holds"


@pytest.mark.parametrize("column", ["device_id", "timestamp", "type", "data"])
def test_a_success_without_a_row_of_that_payload_is_wrong_and_the_event_is_lost(scene: Scene, column: str) -> None:
    result = scene.has(row(CLICK, **{column: None})).says(CLICK, "duplicate").judged()
    assert (result.verdict, found(result)) == ("broken", (1, 1))
    assert [(hole.what, hole.example) for hole in result.holes] == [("lost", "a"), ("wrong_answers", "a")]


def test_who_was_told_nothing_is_lost_only_where_the_event_is_not_there(scene: Scene) -> None:
    assert found(scene.says(CLICK, None).judged()) == (1, 0)
    assert found(scene.has(row(CLICK)).judged()) == (0, 0)


def test_what_those_were_told_who_gave_up_is_said(scene: Scene) -> None:
    errors = Counter({"OSError: No space left on device": 3, "other": 1})
    result = scene.says(CLICK, None).judged(errors=errors)
    assert result.verdict == "broken"
    assert result.reason == "1 client gave up; 3 requests failed with OSError: No space left on device"
    assert scene.has(row(CLICK)).judged().reason == ""


def test_who_left_cannot_complain(scene: Scene) -> None:
    assert scene.says(CLICK, None, ending="left").judged().verdict == "holds"


def test_of_two_events_one_is_stored_and_the_other_is_told_so(scene: Scene) -> None:
    other = replace(CLICK, data=None)
    result = scene.has(row(CLICK)).says(CLICK, "stored").says(other, "collision").judged()
    assert result.verdict == "holds"
    assert found(scene.says(other, "duplicate").judged()) == (0, 1)


def test_a_collision_with_nothing_is_a_wrong_answer(scene: Scene) -> None:
    # Nobody else sent anything: the stored event collides with itself.
    assert found(scene.has(row(CLICK)).says(CLICK, "collision").judged()) == (0, 1)
    # Two were told to collide, and none is there.
    scene.rows.clear()
    assert found(scene.says(replace(CLICK, data=None), "collision").judged()) == (2, 2)


def test_a_picture_is_there_when_its_row_is_completed_and_its_object_has_its_content(scene: Scene) -> None:
    scene.has(row(SHOT)).says(SHOT, "stored", scene.store.url(KEY))
    assert found(scene.judged()) == (1, 1)
    scene.store.put(KEY, OTHER.picture)
    assert found(scene.judged()) == (1, 1)
    scene.store.put(KEY, SHOT.picture, overwrite=True)
    assert scene.judged().verdict == "holds"
    for change in ({"status": "failed"}, {"oss_key": None}, {"device_id": "another"}):
        before, scene.rows = scene.rows, [row(SHOT, **change)]
        assert found(scene.judged()) == (1, 1), change
        scene.rows = before


def test_a_url_that_is_not_the_object_s_is_a_wrong_answer(scene: Scene) -> None:
    scene.store.put(KEY, SHOT.picture)
    result = scene.has(row(SHOT)).says(SHOT, "stored", "/elsewhere.jpg").judged()
    assert (result.verdict, found(result)) == ("broken", (0, 1))


def test_rows_that_are_left_unfinished_are_stuck(scene: Scene) -> None:
    scene.has(row(SHOT, status="uploading"), row(SHOT, status="pending"), row(SHOT, status="failed"))
    result = scene.says(SHOT, None, ending="left").judged()
    assert (result.verdict, result.stuck) == ("broken", 2)


def put(key: str, asked: float, began: float, *, written: bool = True, failed: bool = False) -> Put:
    return Put(key, asked, began, written and not failed, failed)


@pytest.mark.parametrize(
    ("puts", "expected"),
    [
        ([put("k", 0, 0)], 0),
        ([put("k", 0, 0), put("l", 0, 0)], 0),
        # Both claimed at once; that the store refused the second is no merit of theirs.
        ([put("k", 0, 0), put("k", 0.1, 0.2, written=False)], 1),
        ([put("k", 0, 0), put("k", 0, 0.1), put("k", 0, 0.2)], 2),
        # Written over, however late.
        ([put("k", 0, 0), put("k", 50, 50)], 1),
        # A lease of 1 s may have expired.
        ([put("k", 0, 0.1), put("k", 0.2, 1.0, written=False)], 0),
        ([put("k", 0.8, 0.9), put("k", 0, 1.0, written=False)], 0),
        # The first one failed, so the picture was free.
        ([put("k", 0, 0, failed=True), put("k", 0.1, 0.2)], 0),
    ],
)
def test_a_double_upload_is_one_that_no_lease_explains(puts: list[Put], expected: int) -> None:
    assert len(double_uploads(puts, 1.0)) == expected
    assert len(double_uploads(reversed(puts), 1.0)) == expected


@pytest.mark.parametrize(
    "audited",
    [
        replace(CLEAN, duplicates=2, high=1, examples={"duplicate_ids": (1, "a")}),
        replace(CLEAN, high=1, examples={"missing_object": (1, "a")}),
        replace(CLEAN, high=1, examples={"size_mismatch": (1, "a")}),
    ],
)
def test_what_the_audit_calls_grave_breaks_it(scene: Scene, audited: Audit) -> None:
    scene.has(row(CLICK)).says(CLICK, "stored")
    assert scene.judged(audited=audited).verdict == "broken"
    assert scene.judged(THEIRS, audited).verdict == "hole_shown"
    # It is never BROKEN without a word of what was seen.
    assert (
        scene.judged(audited=audited).holes or scene.judged(audited=audited).reason == "the audit found size_mismatch"
    )


def test_an_orphan_is_told_and_breaks_nothing(scene: Scene) -> None:
    audited = replace(CLEAN, examples={"orphan_object": (3, KEY)})
    result = scene.has(row(CLICK)).says(CLICK, "stored").judged(audited=audited)
    assert result.verdict == "holds"
    assert [(hole.what, hole.count, hole.example) for hole in result.holes] == [("orphans", 3, KEY)]


@pytest.mark.parametrize(
    ("audited", "observed"),
    [
        (replace(CLEAN, reason="orphan_object of objects: refused"), {}),
        (CLEAN, {"unanswered": 1}),
        (CLEAN, {"sweep_error": "Unavailable: gone"}),
        (CLEAN, {"alone": 8}),
    ],
)
def test_what_nobody_looked_at_is_unknown_and_never_holds(
    scene: Scene, audited: Audit, observed: dict[str, Any]
) -> None:
    scene.has(row(CLICK)).says(CLICK, "stored")
    for strategy in (OURS, THEIRS):
        result = scene.judged(strategy, audited, **observed)
        assert result.verdict == "unknown"
        assert result.reason
    # What was seen was seen.
    scene.says(replace(CLICK, data=None), "duplicate")
    assert scene.judged(audited=audited, **observed).verdict == "broken"


def test_a_fault_that_did_not_happen_proves_nothing_of_what_is_recommended(scene: Scene) -> None:
    scene.has(row(CLICK)).says(CLICK, "stored")
    assert scene.judged(missed=1).verdict == "unknown"
    assert scene.judged(THEIRS, missed=1).verdict == "hole_not_shown"
    assert scene.judged(alone=8, overlapped=1).verdict == "holds"


SHAPE = TableShape("t", ("id",), ("id",), (), ())
TABLE = Audit(rows=3, duplicates=0, objects=None, high=0, distinct=3)


def retried(audited: Audit, shape: TableShape = SHAPE, *, requests: int = 6) -> StrategyResult:
    """Judge a table to which three events were sent."""
    told = [Told(number, replace(CLICK, id=str(number)), "told", Answer("stored")) for number in range(3)]
    return judge_table(OURS, Observed(told=told, requests=requests), audited, shape)


def test_a_table_holds_where_each_event_is_there_once_and_was_sent_again() -> None:
    assert (retried(TABLE).verdict, retried(TABLE).reason) == ("holds", "")
    assert retried(TABLE, requests=3).verdict == "unknown"
    twice = replace(TABLE, rows=5, duplicates=2)
    assert retried(twice).verdict == "broken"
    assert retried(twice, replace(SHAPE, uncertain=True)).verdict == "unknown"


@pytest.mark.parametrize(
    ("audited", "reason"),
    [
        (replace(TABLE, rows=2, distinct=2), "of 3 events 1 never came into the table"),
        (replace(TABLE, rows=0, distinct=None), "of 3 events 3 never came into the table"),
        (replace(TABLE, rows=5, distinct=5), "3 events made 5 rows of another key each"),
    ],
)
def test_of_a_table_without_the_events_nothing_is_said(audited: Audit, reason: str) -> None:
    assert retried(audited).verdict == "unknown"
    assert reason in retried(audited).reason


def test_a_doubt_opens_a_no_and_not_a_yes() -> None:
    doubtful = replace(SHAPE, doubts=("unique index u does not cover every row",))
    assert (retried(TABLE, doubtful).verdict, retried(TABLE, doubtful).reason) == ("unknown", doubtful.doubts[0])
    assert retried(replace(TABLE, rows=4, duplicates=1), doubtful).verdict == "broken"


def test_a_textbook_that_shows_nothing_proves_nothing(scene: Scene) -> None:
    assert scene.has(row(CLICK)).says(CLICK, "stored").judged(THEIRS).verdict == "hole_not_shown"


def test_percentiles_are_milliseconds_that_so_many_answers_did_not_exceed(scene: Scene) -> None:
    seconds = [number / 1000 for number in range(100, 0, -1)]
    result = scene.has(row(CLICK)).says(CLICK, "stored").judged(seconds=seconds)
    assert (result.p50_ms, result.p99_ms) == (50.0, 99.0)
    assert scene.judged(seconds=[]).p50_ms is None
