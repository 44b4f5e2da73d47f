"""The demo's logs against the demo's truth."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dedupaudit.demo.build import build
from dedupaudit.sources.logs.reader import FileLogs
from dedupaudit.sources.logs.rotation import find_logs


def test_the_demos_logs_tell_what_was_planted(tmp_path: Path) -> None:
    truth = build(tmp_path / "demo").logs
    logs = FileLogs(find_logs([str(tmp_path / "demo" / "logs" / "*.log*")]))
    events = list(logs.events())
    assert Counter(event.event for event in events) == {name: n for name, n in truth.events.items() if n}
    assert {event.id for event in events if event.event == "requeue"} == set(truth.requeued_ids)
    received = Counter(event.id for event in events if event.event == "receive")
    assert {item for item, count in received.items() if count > 1} == set(truth.repeatedly_received_ids)
    assert len(logs.files) == truth.files
    assert sum(file.lines for file in logs.files) == truth.lines
    assert sum(file.bytes for file in logs.files) == truth.bytes
    assert all(event.at is not None for event in events)
    for stream in ("app-console", "backend"):
        times = [event.at for event in events if stream in event.file and event.at]
        assert times == sorted(times)
