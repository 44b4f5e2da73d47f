"""`demo`: the first thing that a new user runs, wherever that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.reading import report_of, said
from tests.conftest import Run


def test_without_arguments_it_builds_audits_and_says_what_to_type_next(run: Run, tmp_path: Path) -> None:
    done = run("demo")
    assert done.code == 0
    made = {path.name for path in (tmp_path / "dedupaudit-demo").iterdir()}
    assert {"app.db", "objects", "logs", "truth.json", "dedupaudit.toml"} <= made
    assert b"db.activities" in done.out
    message = said(done)
    assert "all" in message and "planted findings found" in message
    commands = [line.split("  ")[1] for line in message.splitlines() if line.startswith("  dedupaudit scan")]
    assert commands
    for line in message.splitlines():
        words = line.strip().partition("  ")[0].split()
        if words[:1] == ["dedupaudit"] and "sqlite:///your.db" not in words:
            expected = 0 if words[1] in ("explain", "repair") else 1
            # There is no terminal here to type the name on.
            more = ["--confirm", "activities"] if words[2:3] in (["apply"], ["undo"]) else []
            assert run(*words[1:], *more, cwd=tmp_path / "dedupaudit-demo").code == expected
    assert "remove  14 rows" in message


def test_it_can_be_run_again_and_says_the_same(run: Run, tmp_path: Path) -> None:
    first = report_of(run("demo", "here", "-f", "json"))
    again = report_of(run("demo", "here", "-f", "json"))
    assert first["findings"] == again["findings"]
    assert first["run"]["command"] == "demo"
    other = report_of(run("demo", "there", "-f", "json", "--seed", "7"))
    assert [finding["fingerprint"] for finding in other["findings"]] != [
        finding["fingerprint"] for finding in first["findings"]
    ]


@pytest.mark.parametrize("folder", ["it's a b", "x\x1b[31m\ny", "#?%41[bold]ä", "-dash"])
def test_a_folder_with_an_odd_name_works(run: Run, tmp_path: Path, folder: str) -> None:
    done = run("demo", "--", folder)
    assert done.code == 0, done.err
    assert (tmp_path / folder / "truth.json").exists()
    assert said(done)


def test_quiet_says_nothing_but_the_report(run: Run) -> None:
    done = run("demo", "-q")
    assert done.code == 0
    assert done.err == b""
    assert b"FOUND:" in done.out


def test_a_file_in_the_way_is_refused_and_stays(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dedupaudit-demo").write_text("mine")
    done = run("demo")
    assert done.code in (2, 5)
    assert "dedupaudit-demo" in said(done)
    assert (tmp_path / "dedupaudit-demo").read_text() == "mine"


def test_a_folder_that_the_demo_made_and_somebody_changed_is_not_overwritten(run: Run, tmp_path: Path) -> None:
    assert run("demo", "-q").code == 0
    (tmp_path / "dedupaudit-demo" / "notes.txt").write_text("mine")
    code = run("demo", "-q").code
    assert (tmp_path / "dedupaudit-demo" / "notes.txt").read_text() == "mine"
    assert code in (0, 5)


@pytest.mark.slow
def test_rows_scale_it(run: Run) -> None:
    done = run("demo", "--rows", "100000", "-f", "json", timeout=110)
    assert done.code == 0
    assert sum(table["rows"] for table in report_of(done)["summary"]["tables"].values()) > 100_000
