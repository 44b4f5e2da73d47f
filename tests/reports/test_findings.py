"""`--findings FILE`: every finding, in three forms, read back by parsers that do not forgive."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dedupaudit.errors import OutputError, UsageError
from dedupaudit.model import Finding
from dedupaudit.reports.findings import COLUMNS, open_findings
from tests.reports import samples

ENDINGS = (".jsonl", ".csv", ".parquet")
LIMIT = 64_000_000


def write(path: Path, findings: Iterable[Finding]) -> None:
    with open_findings(path, LIMIT) as sink:
        for finding in findings:
            sink.write(finding)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows, nested columns parsed and all else as text or numbers."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file, strict=True))
    else:
        with duckdb.connect() as engine:
            found = engine.execute("SELECT * FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert all(list(row) == list(COLUMNS) for row in rows)
    return [row | {name: json.loads(row[name]) for name in ("key", "differs", "evidence")} for row in rows]


@pytest.mark.parametrize("ending", ENDINGS)
def test_hostile_findings_come_back_whole_and_in_order(tmp_path: Path, ending: str) -> None:
    findings = samples.hostile().findings
    path = tmp_path / f"all{ending}"
    write(path, findings)
    rows = read(path)
    assert [row["fingerprint"] for row in rows] == [finding.fingerprint for finding in findings]
    first = len(samples.HOSTILE)
    assert [row["key"] for row in rows[:first]] == [{text: text, "b": at} for at, text in enumerate(samples.HOSTILE)]
    assert [row["differs"] for row in rows[:first]] == [[text] for text in samples.HOSTILE]
    assert [row["evidence"][0]["text"] for row in rows[:first]] == list(samples.HOSTILE)
    assert [float(row["gap_seconds"]) for row in rows[:first]] == [-1.5] * first
    if ending != ".csv":
        assert [row["message"] for row in rows[:first]] == list(samples.HOSTILE)
    assert os.listdir(tmp_path) == [path.name]


def test_no_cell_of_a_csv_is_a_formula_or_moves_a_cursor(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    write(path, samples.hostile().findings)
    text = path.read_text("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file, strict=True) for cell in row if cell != "-1.5"]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_line_of_jsonl_is_the_finding_of_the_report(tmp_path: Path) -> None:
    finding = samples.damaged().findings[6]
    write(tmp_path / "all.jsonl", (finding,))
    assert Finding.model_validate(read(tmp_path / "all.jsonl")[0]) == finding


def test_parquet_has_types_and_nulls(tmp_path: Path) -> None:
    cause = {"name": "timeout_retry", "confidence": "proved", "why": "two receives"}
    made = samples.report([samples.duplicate(cause=cause, gap_seconds=None, count=2**62), samples.finding("null_ids")])
    path = tmp_path / "it's [1] all*?.parquet"
    write(path, made.findings)
    first, second = read(path)
    assert (first["cause"], first["confidence"], first["gap_seconds"], first["count"]) == (
        "timeout_retry",
        "proved",
        None,
        2**62,
    )
    assert (second["class"], second["first_at"], second["cause"]) == (None, None, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_findings_make_a_file_without_rows(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"none{ending}"
    write(path, ())
    assert read(path) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_exception_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"all{ending}"
    path.write_bytes(b"earlier")
    with pytest.raises(ZeroDivisionError), open_findings(path, LIMIT) as sink:
        sink.write(samples.damaged().findings[0])
        raise ZeroDivisionError
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_discarded_file_leaves_the_earlier_one(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"all{ending}"
    path.write_bytes(b"earlier")
    with open_findings(path, LIMIT) as sink:
        sink.write(samples.damaged().findings[0])
        sink.discard()
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["findings", "findings.json", "findings.jsonl.gz"])
def test_another_ending_is_refused_with_the_three(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught, open_findings(tmp_path / name, LIMIT):
        pass
    assert ".jsonl, .csv or .parquet" in caught.value.hint
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_folder_is_refused_before_the_scan(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UsageError) as caught, open_findings(tmp_path / "none" / f"all{ending}", LIMIT):
        raise AssertionError("the scan began")
    assert "make the folder first" in caught.value.hint


def test_a_full_disk_is_said_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").symlink_to("/dev/full")
    with pytest.raises(OutputError) as caught, open_findings(tmp_path / "all.jsonl", LIMIT) as sink:
        sink.write(samples.damaged().findings[0])
    assert "all.jsonl could not be written in full: No space left on device" in caught.value.message
    assert caught.value.hint


def test_another_error_of_the_scan_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the database's disk"), open_findings(tmp_path / "all.jsonl", LIMIT):
        raise OSError(5, "the database's disk")


def test_parquet_cannot_go_to_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "all.parquet")
    (tmp_path / "device.parquet").symlink_to("/dev/null")
    with pytest.raises(UsageError, match="no regular file"), open_findings(tmp_path / "device.parquet", LIMIT):
        pass


def test_too_little_memory_for_parquet_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, open_findings(tmp_path / "all.parquet", 1_000_000) as sink:
        sink.write(samples.damaged().findings[0])
    assert "--memory-limit" in caught.value.hint
    assert os.listdir(tmp_path) == []
