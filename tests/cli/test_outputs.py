"""An output never takes the place of what the run reads: an audit cannot write, not even by its user's slip."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.reading import said, strict_json, valid_report
from tests.conftest import Run


@pytest.fixture
def folder(tmp_path: Path, duplicates: Path) -> Path:
    shutil.copy(duplicates, tmp_path / "app.db")
    shutil.copy(duplicates, tmp_path / "odd.csv")
    (tmp_path / "link.db").symlink_to("app.db")
    os.link(tmp_path / "app.db", tmp_path / "hard.db")
    (tmp_path / "app.db-wal").write_bytes(b"")
    (tmp_path / "other.toml").write_text("[options]\nfail_on = 'none'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("database", "options"),
    [
        ("app.db", ["-o", "app.db"]),
        ("app.db", ["-o", "link.db"]),
        ("app.db", ["-o", "hard.db"]),
        ("app.db", ["-o", "./app.db-wal"]),
        ("link.db", ["-f", "json", "-o", "app.db"]),
        ("odd.csv", ["--findings", "odd.csv"]),
        ("app.db", ["--config", "other.toml", "-o", "other.toml"]),
    ],
)
def test_what_is_read_is_not_overwritten(run: Run, folder: Path, database: str, options: list[str]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    done = run("scan", "--db", f"sqlite:///{database}", *options)
    assert done.code == 5
    assert done.out == b""
    assert "it would be overwritten" in said(done)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("exists", [True, False])
def test_report_and_findings_in_one_file_are_refused(run: Run, folder: Path, exists: bool) -> None:
    if exists:
        (folder / "all.jsonl").write_text("earlier\n")
    done = run("scan", "--db", "sqlite:///app.db", "-o", "all.jsonl", "--findings", "./all.jsonl")
    assert done.code == 2
    assert "name one file" in said(done)
    assert not exists or (folder / "all.jsonl").read_text() == "earlier\n"


def test_an_earlier_report_is_replaced_with_its_permissions(run: Run, folder: Path) -> None:
    for name in ("report.json", "all.jsonl"):
        (folder / name).write_text("earlier")
        (folder / name).chmod(0o640)
    done = run("scan", "--db", "sqlite:///app.db", "-f", "json", "-o", "report.json", "--findings", "all.jsonl")
    assert done.code == 1
    report = valid_report((folder / "report.json").read_bytes())
    lines = [strict_json(line) for line in (folder / "all.jsonl").read_bytes().splitlines()]
    assert len(lines) == report["summary"]["findings"]
    assert {(folder / name).stat().st_mode & 0o777 for name in ("report.json", "all.jsonl")} == {0o640}


def test_a_report_goes_into_a_pipe_with_a_name(run: Run, folder: Path) -> None:
    done = run("scan", "--db", "sqlite:///app.db", "-f", "json", "-o", "/dev/stdout")
    assert done.code == 1
    assert valid_report(done.out)


def test_a_run_that_fails_leaves_the_earlier_files(run: Run, folder: Path) -> None:
    for name in ("report.json", "all.jsonl"):
        (folder / name).write_text("earlier")
    done = run("scan", "nowhere", "--db", "sqlite:///app.db", "-o", "report.json", "--findings", "all.jsonl")
    assert done.code == 2
    assert {(folder / name).read_text() for name in ("report.json", "all.jsonl")} == {"earlier"}
    assert not [path for path in folder.iterdir() if path.name.startswith(".dedupaudit")]
