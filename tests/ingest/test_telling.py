"""The writers' own log is evidence for the audit: each line is the event that it was meant to be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dedupaudit.ingest import ActivityWriter, IdCollision, IngestError, LogFormatter, Rejected, telling
from dedupaudit.sources.logs.words import classifier
from tests.conftest import Run
from tests.ingest.databases import Database
from tests.ingest.events import activity

LINES: dict[Callable[[object], None], str] = {
    telling.received: "receive",
    telling.written: "db_write",
    telling.answered: "response",
    telling.already: "idempotent_skip",
    telling.waiting: "concurrent_wait",
    telling.again: "retry",
    telling.upload_done: "upload_done",
    telling.upload_failed: "upload_failed",
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Give a file that the writers log into, as a backend would set it up."""
    path = tmp_path / "backend.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(LogFormatter())
    telling.LOGGER.addHandler(handler)
    telling.LOGGER.setLevel(logging.INFO)
    yield path
    telling.LOGGER.setLevel(logging.NOTSET)
    telling.LOGGER.removeHandler(handler)
    handler.close()


def test_logs_reads_every_line_as_what_it_is(log: Path, run: Run) -> None:
    for number, tell in enumerate(LINES):
        tell(f"screenshot_{1766557428498 + number}")
    done = run("logs", log, "-f", "json")
    logs = done.json()["summary"]["logs"]
    assert logs["lines"] == len(LINES)
    assert {name: count for name, count in logs["events"].items() if count} == dict.fromkeys(LINES.values(), 1)


def test_words_of_a_database_or_a_store_are_no_event_of_the_picture(log: Path, run: Run) -> None:
    shot = "screenshot_1766557428498"
    for words in ("Lock wait timeout exceeded; try again", f"screenshots/pc/{shot}.jpg: Connection timed out"):
        for tell in (telling.unrenewed, telling.unswept, telling.why):
            tell(shot, IngestError(words))
    assert "the reason: screenshots/pc/….jpg: Connection timed out" in log.read_text(encoding="utf-8")
    telling.received(shot)  # without any event there is nothing to read
    events = run("logs", log, "-f", "json").json()["summary"]["logs"]["events"]
    assert {name for name, count in events.items() if count} == {"receive"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_retry_is_seen_in_the_writers_own_log(database: Database, log: Path, run: Run) -> None:
    writer = ActivityWriter(database.engine)
    for _ in range(2):
        telling.answered(writer.write(activity()).id)
    report = run("logs", log, "-f", "json").json()
    events = report["summary"]["logs"]["events"]
    assert (events["receive"], events["db_write"], events["idempotent_skip"], events["response"]) == (2, 1, 1, 2)
    found = [finding["key"] for finding in report["findings"] if finding["check"] == "repeated_receive"]
    assert found == [{"id": "activity_1766557428498"}]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_batch_says_of_each_event_what_became_of_it(database: Database, log: Path) -> None:
    ActivityWriter(database.engine).write_batch([activity("a"), activity("a"), activity("a", kind="key"), activity("")])
    said = [line.partition(" ")[2] for line in log.read_text().splitlines()]
    assert said[:5] == ["received a", "received a", "received a", 'received ""', "written to the database a"]
    assert said[5] == "[Idempotent] a already exists"
    assert said[6].startswith("not stored a: ")
    assert said[7].startswith('not stored "": ')


@pytest.mark.parametrize(
    "error",
    [
        Rejected("activities cannot take this event: id has 256 characters, and its column takes 255"),
        IdCollision("activities holds another event under activity_1: it differs in data", "", ("activity_1",), ()),
        Rejected("activities refused this event by activities_check (foreign key)"),
    ],
)
def test_what_was_not_stored_is_no_event_of_the_audit(error: IngestError, caplog: pytest.LogCaptureFixture) -> None:
    telling.refused("activity_1766557428498", error)
    assert caplog.records[0].levelno == logging.WARNING
    masked = caplog.records[0].getMessage().replace("activity_1766557428498", "\0").encode()
    assert classifier(lossy=False)(masked) == ()


def test_a_time_is_utc_with_milliseconds() -> None:
    record = logging.makeLogRecord({"created": 1766563274.5, "msecs": 500.0, "msg": "received %s", "args": ("a",)})
    assert LogFormatter().format(record) == "2025-12-24T08:01:14.500Z received a"


def test_a_hostile_id_makes_no_line_of_its_own(log: Path) -> None:
    telling.received("a\n2025-12-24T08:01:14.500Z received activity_2\r\x1b[2J\u2028")
    telling.received("x" * 10_000_000)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert r"a\n2025" in lines[0]
    assert "\x1b" not in lines[0]
    assert len(lines[1]) < 300


@pytest.mark.parametrize(
    "words",
    [
        "超时，重新入队",
        "timeout",
        "x answer lost",
        "upload done: screenshot_2",
        "x again",
        "[retry]",
        "x to the database",
    ],
)
def test_words_in_an_id_make_no_other_event_of_its_line(words: str, caplog: pytest.LogCaptureFixture) -> None:
    """A client that chooses its IDs would write another's timeouts and uploads into the evidence."""
    caplog.set_level(logging.INFO, "dedupaudit.ingest")
    hostile = f"activity_1766557428498 {words}"
    classify = classifier(lossy=False)
    for tell, told in LINES.items():
        tell(hostile)
        assert classify(caplog.messages[-1].encode()) == (told,)
    telling.refused(hostile, IdCollision(f"activities holds another event under {hostile}: it differs", "", (), ()))
    assert classify(caplog.messages[-1].encode()) == ()


def test_an_id_with_harmless_words_is_shown_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dedupaudit.ingest")
    telling.received("桌面 活动-1 of Monday")
    assert caplog.messages == ["received 桌面 活动-1 of Monday"]
