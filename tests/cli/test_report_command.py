"""`report FILE`: the saved report again, byte for byte as JSON, and no other file taken for one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import completed, started, with_checkout
from tests.cli.reading import report_of, said, strict_json
from tests.conftest import Run


@pytest.fixture(scope="session")
def saved(shared: Path, incident: Path) -> Path:
    """Return a report of the demo's incident, as `scan -f json -o` writes it."""
    return shared / "saved.json"


@pytest.fixture
def report(run: Run, saved: Path, incident: Path) -> Path:
    if not saved.exists():
        done = run("scan", "--config", incident / "dedupaudit.toml", "-f", "json", "-o", saved)
        assert done.code == 1, done.err
    return saved


def changed(report: Path, folder: Path, **fields: Any) -> Path:
    path = folder / "changed.json"
    path.write_text(json.dumps({**json.loads(report.read_bytes()), **fields}, indent=2) + "\n", encoding="utf-8")
    return path


def test_json_comes_back_byte_for_byte(run: Run, report: Path, tmp_path: Path) -> None:
    done = run("report", report, "-f", "json")
    assert done.code == 0
    assert done.out == report.read_bytes()
    assert report_of(done)["summary"]["findings"] > 10
    assert run("report", report, "-f", "json", "-o", "copy.json").code == 0
    assert (tmp_path / "copy.json").read_bytes() == report.read_bytes()


def test_the_terminal_report_is_the_scans_own(run: Run, report: Path, incident: Path) -> None:
    done = run("report", report)
    live = run("scan", "--config", incident / "dedupaudit.toml")
    assert done.code == 0
    assert done.out.decode().splitlines()[1:] == live.out.decode().splitlines()[1:]


def test_a_report_comes_from_stdin(run: Run, report: Path) -> None:
    done = run("report", "-", "-f", "json", stdin=report.read_bytes())
    assert done.code == 0
    assert done.out == report.read_bytes()


def test_an_incomplete_report_with_findings_is_rendered_with_0(run: Run, report: Path, tmp_path: Path) -> None:
    done = run("report", changed(report, tmp_path, complete=False))
    assert done.code == 0
    assert b"INCOMPLETE" in done.out


def test_fields_of_a_newer_minor_version_survive(run: Run, report: Path, tmp_path: Path) -> None:
    document = json.loads(report.read_bytes())
    document["novel"] = {"a": [1, None, "ü"]}
    document["summary"]["novel"] = 1.5
    document["findings"][0]["novel"] = True
    document["findings"][0]["evidence"][0]["novel"] = "x"
    document["coverage"][0]["novel"] = []
    path = changed(report, tmp_path, **document)
    done = run("report", path, "-f", "json")
    assert done.code == 0
    assert strict_json(done.out) == json.loads(path.read_bytes())
    assert run("report", path).code == 0


def test_a_future_version_is_2_and_says_which(run: Run, report: Path, tmp_path: Path) -> None:
    done = run("report", changed(report, tmp_path, schema="dedupaudit.report/2"))
    assert done.code == 2
    assert "newer dedupaudit" in said(done)
    assert "dedupaudit.report/2" in said(done)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"{", "is not JSON"),
        (b"hello", "is not JSON"),
        (b"\xff\xfe\x00", "is not"),
        (b"[]", "not a dedupaudit report"),
        (b"{}", "not a dedupaudit report"),
        (b'{"schema": "sarif/1"}', "sarif/1"),
        (b'{"schema": "dedupaudit.report/1"}', "damaged"),
        (b'{"schema": "dedupaudit.report/1"}\n{"schema": "dedupaudit.report/1"}', "more than one JSON document"),
        (b'{"schema": NaN}', "NaN"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schema": "dedupaudit.plan/1"}', "dedupaudit.plan/1"),
        (b'{"schema": "\\u001b[31mx\\n"}', r"\x1b[31mx\n"),
    ],
)
def test_a_file_that_is_no_report_is_2(run: Run, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "r.json").write_bytes(content)
    done = run("report", "r.json")
    assert done.code == 2
    assert done.out == b""
    message = said(done)
    assert "r.json" in message
    assert words in message
    assert "hint:" in message


def test_a_truncated_report_is_2_and_says_where_it_ends(run: Run, report: Path, tmp_path: Path) -> None:
    text = report.read_bytes()
    (tmp_path / "r.json").write_bytes(text[: len(text) // 2])
    done = run("report", "r.json")
    assert done.code == 2
    assert "line" in said(done)
    assert "cut short" in said(done)


def test_a_wrong_field_is_named(run: Run, report: Path, tmp_path: Path) -> None:
    done = run("report", changed(report, tmp_path, complete="perhaps"))
    assert done.code == 2
    assert "complete: " in said(done)


def test_a_missing_file_and_a_folder_are_2(run: Run, tmp_path: Path) -> None:
    for name, words in (("nowhere.json", "No such file"), (".", "Is a directory")):
        done = run("report", name)
        assert done.code == 2
        assert words in said(done)


def test_a_stdin_that_is_empty_or_closed_is_2(run: Run, clean_env: dict[str, str], tmp_path: Path) -> None:
    done = run("report", "-", stdin=b"")
    assert done.code == 2
    assert "- is empty" in said(done)
    with started(["report", "-"], with_checkout(clean_env), tmp_path, preexec_fn=lambda: os.close(0)) as process:
        done = completed(process)
    assert done.code == 2
    assert "stdin is closed" in said(done)


def test_a_report_is_not_overwritten_by_its_own_rendering(run: Run, report: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    copy.write_bytes(report.read_bytes())
    done = run("report", "copy.json", "-o", "./copy.json")
    assert done.code == 5
    assert "would overwrite the report" in said(done)
    assert copy.read_bytes() == report.read_bytes()
