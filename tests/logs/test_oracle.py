"""What the queries over the history say is what a slow reading of the same events says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.checks import LOG_CHECKS
from dedupaudit.logs.summing import EDGES, summary_of
from dedupaudit.progress import SILENT
from dedupaudit.snapshot.history import History
from dedupaudit.sources.logs.columns import rendered
from dedupaudit.sources.logs.protocol import LogEvent, LogFile, Span, UnknownLine
from dedupaudit.sources.logs.words import EVENTS

LIMIT = 64_000_000
START = 1_766_563_274_000_000
SENDS = ("send", "resend")
IDS = ("activity_1", "screenshot_2", "it's\t\\N", "=cmd()", "x\n\x00\x1b[31m\ufeff", "漢😀")


class Told:
    """Logs that were read already."""

    def __init__(self, events: Sequence[LogEvent]) -> None:
        self._events = list(events)
        self.files = tuple(LogFile(name) for name in dict.fromkeys(one.file for one in events))

    def batches(self, wanted: frozenset[str] | None = None) -> Iterator[list[LogEvent]]:
        chosen = [one for one in self._events if wanted is None or one.event in wanted]
        for first in range(0, len(chosen), 3):
            yield chosen[first : first + 3]

    def columns(self, wanted: frozenset[str] | None = None, span: Span = (None, None)) -> Iterator[bytes]:
        names = [file.name for file in self.files]
        for batch in self.batches(wanted):
            for event in batch:
                yield rendered([event], names.index(event.file), span)

    def events(self, wanted: frozenset[str] | None = None) -> Iterator[LogEvent]:
        for batch in self.batches(wanted):
            yield from batch

    def unknown_lines(self, limit: int) -> Iterator[UnknownLine]:
        return iter(())


@st.composite
def told(draw: st.DrawFn) -> list[LogEvent]:
    """Draw events whose times are all different: which of two at one moment came first nobody knows."""
    moments = draw(st.lists(st.integers(0, 400), max_size=30, unique=True))
    return [
        LogEvent(
            draw(st.sampled_from(("send", "resend", "requeue", "receive", "db_write", "response_lost", "timeout"))),
            draw(st.sampled_from(IDS)),
            START + moment * 250_000 if draw(st.integers(0, 9)) else None,
            draw(st.sampled_from((None, "d1", "d\n2"))),
            draw(st.sampled_from(("logs/a.log", "logs/b.log.1"))),
            number + 1,
            0,
        )
        for number, moment in enumerate(moments)
    ]


def overlaps(events: Sequence[LogEvent]) -> int:
    """Count the sends again of one ID that began before the row of the send before them was written."""
    timed = sorted((one for one in events if one.at is not None), key=lambda one: one.at or 0)
    sends = [one for one in timed if one.event in SENDS]
    writes = [one for one in timed if one.event == "db_write"]
    if len(sends) < 2 or sum(one.event == "receive" for one in timed) < len(sends):
        return 0
    found = 0
    for number in range(1, len(sends)):
        again = sends[number]
        requeued = any(one.event == "requeue" and (one.at or 0) <= (again.at or 0) for one in timed)
        if number <= len(writes) and (again.event == "resend" or requeued):
            found += (again.at or 0) < (writes[number - 1].at or 0)
    return found


@given(told())
def test_findings_are_those_of_a_slow_reading(events: list[LogEvent]) -> None:
    by_id: dict[str, list[LogEvent]] = defaultdict(list)
    for event in events:
        by_id[event.id].append(event)
    expected = {
        "requeue": {ident: sum(one.event == "requeue" for one in some) for ident, some in by_id.items()},
        "repeated_receive": {
            ident: number if (number := sum(one.event == "receive" for one in some)) > 1 else 0
            for ident, some in by_id.items()
        },
        "overlapping_send": {ident: overlaps(some) for ident, some in by_id.items()},
    }
    with History(LIMIT) as history:
        history.load(Told(events), SILENT)
        assert not history.skew() or all(abs(ahead) >= 0.5 for ahead in history.skew().values())
        clocks_agree = not history.skew()
        for check in LOG_CHECKS:
            findings = [sighting.write() for sighting in check.findings(history)]
            assert [one.count for one in findings] == sorted((one.count for one in findings), reverse=True)
            if check.name != "overlapping_send" or clocks_agree:
                found = {str(one.key["id"]): one.count for one in findings}
                assert found == {ident: number for ident, number in expected[check.name].items() if number}
        for ident, some in history.of([*by_id, "unknown"]).items():
            shown = [one._replace(file=f"logs/{one.file}", fields={}) for one in some]
            ordered = sorted(
                by_id.get(ident, []), key=lambda one: (one.at is None, one.at or 0, files(events)[one.file], one.line)
            )
            assert shown == [one._replace(fields={}) for one in ordered]
        assert history.counts == Counter(one.event for one in events)


def files(events: Sequence[LogEvent]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(one.file for one in events))}


@given(told())
def test_totals_are_those_of_a_slow_reading(events: list[LogEvent]) -> None:
    with History(LIMIT) as history:
        source = Told(events)
        history.load(source, SILENT)
        summary = summary_of(source.files, history, frozenset())
    assert summary.events == {name: sum(one.event == name for one in events) for name in EVENTS}
    sent = {one.id for one in events if one.event in SENDS}
    received = {one.id for one in events if one.event == "receive"}
    assert summary.sent_never_received_ids == (len(sent - received) if received else None)
    assert summary.received_never_sent_ids == (len(received - sent) if sent else None)
    assert summary.requeued_ids == len({one.id for one in events if one.event == "requeue"})
    devices = Counter(one.device for one in events if one.event == "requeue" and one.device)
    assert summary.requeues_by_device == dict(devices)
    assert sum(summary.requeues_by_hour.values()) == sum(
        one.event == "requeue" and one.at is not None for one in events
    )
    gaps: dict[str, Counter[int]] = {"send_to_requeue": Counter(), "requeue_to_send": Counter()}
    for ident in {one.id for one in events if one.event == "requeue"}:
        timed = sorted(
            (one for one in events if one.id == ident and one.at is not None and one.event in (*SENDS, "requeue")),
            key=lambda one: one.at or 0,
        )
        for earlier, later in zip(timed, timed[1:], strict=False):
            if (earlier.event == "requeue") != (later.event == "requeue"):
                kind = "send_to_requeue" if later.event == "requeue" else "requeue_to_send"
                length = ((later.at or 0) - (earlier.at or 0)) / 1_000_000
                gaps[kind][max(edge for edge in EDGES if length >= edge)] += 1
    assert summary.gaps is not None
    assert {gap.from_: gap.count for gap in summary.gaps.send_to_requeue} == gaps["send_to_requeue"]
    assert {gap.from_: gap.count for gap in summary.gaps.requeue_to_send} == gaps["requeue_to_send"]


@pytest.mark.parametrize("ahead", [-3600.0, -2.0, -0.2, 0.0, 0.2, 5.0, 90.0])
def test_a_clock_that_differs_is_measured_and_set_right_for_each_client(ahead: float) -> None:
    events = []
    for number in range(20):
        at = START + number * 60_000_000
        events += [
            LogEvent("send", f"a_{number}", at + round(ahead * 1e6), None, "fast.log", number, 0),
            LogEvent("receive", f"a_{number}", at + 20_000, None, "backend.log", number, 0),
            LogEvent("send", f"b_{number}", at, None, "right.log", number, 0),
            LogEvent("receive", f"b_{number}", at + 20_000, None, "backend.log", number, 0),
        ]
    with History(LIMIT) as history:
        history.load(Told(events), SILENT)
        assert history.skew() == ({"fast.log": pytest.approx(ahead - 0.02)} if abs(ahead) > 0.5 else {})


def test_files_of_one_name_in_two_folders_stay_apart() -> None:
    one = LogEvent("send", "a_1", START, None, "eu/app.log", 1, 0)
    two = one._replace(file="us/app.log.1")
    with History(LIMIT) as history:
        history.load(Told([one, two]), SILENT)
        assert [event.file for event in history.of(["a_1"])["a_1"]] == ["eu/app.log", "us/app.log.1"]
