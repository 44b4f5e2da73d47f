"""Where `drill` writes what: one document, or one page, on stdout or in a file, and never both answer and error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import dedupaudit.drill.run
from dedupaudit.drill.protocol import DrillResult
from dedupaudit.drill.run import DrillRequest
from dedupaudit.drill.telling import BESIDES
from dedupaudit.errors import RunFailed
from dedupaudit.interrupt import Runtime
from dedupaudit.main import run as program
from tests.cli.launching import on_terminal, with_checkout
from tests.cli.reading import SGR, dangerous, strict_json
from tests.drill.samples import FAILED, HELD, OPEN, PROTECTED, UNPROTECTED

Drill = Callable[..., int]


@pytest.fixture
def drill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clean: Path) -> Drill:
    """Return a function that runs the command where the drill itself has ended so, and returns the exit code."""

    def run(result: DrillResult | RunFailed, *words: str) -> int:
        def ended(request: DrillRequest, **_more: object) -> DrillResult:
            if isinstance(result, RunFailed):
                raise result
            return result

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(dedupaudit.drill.run, "drill", ended)
        return program(["drill", "--db", f"sqlite:///{clean}", *words], Runtime())

    return run


@pytest.mark.parametrize(
    ("result", "code"), [(HELD, 0), (FAILED, 6), (PROTECTED, 0), (UNPROTECTED, 6), (OPEN, 3)], ids=range(5)
)
def test_the_document_is_whole_whatever_it_says(
    drill: Drill, capsysbinary: pytest.CaptureFixture[bytes], result: DrillResult, code: int
) -> None:
    assert drill(result, "-f", "json", "-q") == code
    out, err = capsysbinary.readouterr()
    document = strict_json(out)
    assert document["schema"] == "dedupaudit.drill/1"
    assert document["held"] is (code == 0)
    assert err == b""


def test_a_drill_that_failed_in_its_middle_prints_an_error_and_no_result(
    drill: Drill, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failure = RunFailed("in the middle of the drill: Redis is gone", "is it up?")
    assert drill(failure, "-f", "json", "-q", "-o", "report.json") == 6
    assert capsys.readouterr() == ("", "dedupaudit: in the middle of the drill: Redis is gone\n  hint: is it up?\n")
    assert not (tmp_path / "report.json").exists()


def test_a_file_gets_it_and_stdout_nothing(drill: Drill, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert drill(FAILED, "-o", "report.txt", "-q") == 6
    assert drill(FAILED, "-o", "report.json", "-f", "json", "-q") == 6
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "report.txt").read_text().startswith("DOES NOT HOLD: version")
    assert strict_json((tmp_path / "report.json").read_bytes())["held"] is False


def test_a_pipe_gets_plain_lines_of_80_columns_or_as_many_as_it_says(
    drill: Drill, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert drill(HELD, "-q") == 0
    narrow = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "160")
    assert drill(HELD, "-q") == 0
    wide = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 80 < max(map(len, wide.splitlines())) <= 160
    assert not dangerous(narrow + wide)


def test_a_terminal_gets_the_page_and_its_progress_goes_away(
    clean_env: dict[str, str], tmp_path: Path, clean: Path
) -> None:
    """Beside a configured bucket, which is production's: the drill leaves it alone."""
    folder = tmp_path / "production"
    folder.mkdir()
    (tmp_path / "dedupaudit.toml").write_text(
        f'[database]\nurl = "sqlite:///{clean}"\n[objects]\nurl = "file://{folder}"\n'
    )
    before = folder.stat().st_mtime_ns
    words = ("drill", "--strategy", "check-then-act", "--writers", "8", "--ids", "60")
    done = on_terminal(words, with_checkout(clean_env) | {"TERM": "xterm-256color"}, tmp_path, columns=100)
    printed, said = done.out.decode(), done.err.decode()
    assert done.code == 0, said
    assert printed.startswith("No recommended strategy was tried")
    assert "\n  hole shown " in printed
    assert str(folder) not in printed
    assert max(map(len, printed.splitlines())) <= 100
    assert not dangerous(printed)
    first, _, progress = said.partition("\n")
    assert "makes a scratch of its own, dedupaudit_drill_…, in a temporary folder, and removes it" in first
    assert f"up to {8 + BESIDES} sessions" in first
    assert "check-then-act" in SGR.sub("", progress)
    assert progress.endswith("\x1b[2K"), "the line of progress is taken away"
    assert folder.stat().st_mtime_ns == before


def test_as_json_every_line_of_stderr_is_an_object(
    drill: Drill, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedupaudit.saying._speaks_json", True)
    assert drill(HELD, "--log-json") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["id"] == "announcement"
