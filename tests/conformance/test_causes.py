"""Every database's rows lead to the same causes, with logs and without, by either engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.audit import audit
from dedupaudit.config import LogsSettings, TableSettings
from dedupaudit.explain import explain
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Finding
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest
from dedupaudit.times import iso
from tests.conformance.databases import DATABASES, Col, Database, Stored, Tab
from tests.conformance.running import configured

START = 1_766_563_274_487  # milliseconds

# Device, payload, and seconds after the start, of each row of an ID.
ROWS: dict[str, list[tuple[str, str, float]]] = {
    "activity_1": [("d1", '{"x": 1}', 0.02), ("d1", '{"x":1}', 60.02)],
    "activity_2": [("d1", '{"x": 1}', 0.02), ("d2", '{"x": 1}', 4.2)],
    "activity_3": [("d1", '{"x": 1}', 0.02), ("d2", '{"x": 2}', 0.021)],
    "activity_4": [("d1", '{"x": 1}', 30.5), ("d1", '{"x": 1}', 31.2)],
    "activity_5": [("d1", '{"x": 1}', 0.02), ("d1", '{"x": 1}', 86_400.0)],
    "activity_6": [("d1", '{"x": 1}', 0.02)],
}
# Words, and seconds after the start.
LINES: dict[str, list[tuple[str, float]]] = {
    "activity_1": [("发送", 0), ("接收", 0.01), ("超时（30秒），重新入队", 30), ("再次发送", 60), ("接收", 60.01)],
    "activity_2": [("发送", 0), ("发送", 4.1)],
    "activity_3": [("发送", 0), ("发送", 0.001)],
    "activity_4": [("发送", 0), ("超时（30秒），重新入队", 30), ("再次发送", 30.1), ("接收", 30.4), ("接收", 31)],
    "activity_5": [("发送", 0), ("接收", 0.01)],
    "activity_6": [("发送", 0), ("接收", 0.01)],
}
PROVED = {
    "activity_1": ("timeout_retry", "proved"),
    "activity_2": ("several_devices", "proved"),
    "activity_3": ("id_collision", "proved"),
    "activity_4": ("overlapping_batches", "proved"),
    "activity_5": ("unexplained", "none"),
}
BY_ROWS = {
    "activity_1": ("timeout_retry", "likely"),
    "activity_2": ("several_devices", "likely"),
    "activity_3": ("id_collision", "likely"),
    "activity_4": ("overlapping_batches", "likely"),
    "activity_5": ("unexplained", "none"),
}
CASES: list[Any] = [
    pytest.param(database, engine, id=f"{database.name}-{engine}")
    for database in DATABASES
    for engine in database.engines
]


def url_of(database: Database, folder: Path) -> str:
    text = database.exact
    columns = (
        Col("pk", "integer", not_null=True),
        Col("id", "text", text),
        Col("device_id", "text", text),
        Col("data", "json"),
        Col("created_at", "integer"),
    )
    rows: list[tuple[Stored, ...]] = [
        (number, ident, device, payload, START + round(seconds * 1000))
        for number, (ident, (device, payload, seconds)) in enumerate(
            ((ident, row) for ident, several in ROWS.items() for row in several), start=1
        )
    ]
    return database.create(folder, Tab("t", columns, tuple(rows), primary_key=("pk",)), "plain")


def log_of(folder: Path) -> Path:
    lines = sorted((seconds, words, ident) for ident, told in LINES.items() for words, seconds in told)
    path = folder / "app.log"
    path.write_text(
        "".join(f"{iso(round((START / 1000 + seconds) * 1e6))} {words} {ident}\n" for seconds, words, ident in lines),
        encoding="utf-8",
    )
    return path


def causes(findings: list[Finding]) -> dict[str, tuple[str, str]]:
    return {
        str(finding.key["id"]): (finding.cause.name, finding.cause.confidence)
        for finding in findings
        if finding.check == "duplicate_ids" and finding.cause
    }


@pytest.mark.parametrize(("database", "engine"), CASES)
def test_causes_do_not_depend_on_the_database(database: Database, engine: Any, tmp_path: Path) -> None:
    settings = configured(url_of(database, tmp_path), {"t": TableSettings(key=("id",))})
    request = ScanRequest(command="audit", engine=engine)
    without = audit(settings, request, interrupt=Interrupt(), progress=SILENT)
    assert causes(list(without.report.findings)) == BY_ROWS
    with_logs = replace(settings, logs=LogsSettings(files=(str(log_of(tmp_path)),)))
    outcome = audit(with_logs, request, interrupt=Interrupt(), progress=SILENT)
    assert causes(list(outcome.report.findings)) == PROVED
    table = outcome.report.summary.tables["db.t"]
    assert table.causes is not None
    assert {name: count.proved for name, count in table.causes.items() if count.proved} == {
        "timeout_retry": 1, "several_devices": 1, "id_collision": 1, "overlapping_batches": 1
    }  # fmt: skip
    assert table.collisions is not None
    assert (table.collisions.ids, table.collisions.devices) == (1, 2)
    assert table.collisions.suggested_key == ("device_id", "id")


@pytest.mark.parametrize("database", DATABASES, ids=lambda database: str(database.name))
def test_a_story_does_not_depend_on_the_database(database: Database, tmp_path: Path) -> None:
    settings = configured(url_of(database, tmp_path), {"t": TableSettings(key=("id",))})
    settings = replace(settings, logs=LogsSettings(files=(str(log_of(tmp_path)),)))
    for ident, several in ROWS.items():
        outcome = explain(settings, ident, ScanRequest(command="explain"), interrupt=Interrupt(), progress=SILENT)
        told = outcome.report.explanation
        assert told is not None
        assert sum(one.kind == "row" for one in told.timeline) == len(several)
        assert sum(one.kind == "log" for one in told.timeline) == sum(
            2 if "超时" in words else 1 for words, _ in LINES[ident]
        )
        found = (told.cause.name, told.cause.confidence) if told.cause else None
        assert found == PROVED.get(ident)
