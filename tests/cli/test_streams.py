"""What goes where: the report on stdout alone, all else on stderr; streams that are closed, full or no terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.launching import completed, on_terminal, started, with_checkout
from tests.cli.reading import SGR, dangerous, report_of, said, valid_report
from tests.conftest import Completed, Run

Start = Callable[..., Completed]


@pytest.fixture
def env(clean_env: dict[str, str]) -> dict[str, str]:
    return with_checkout(clean_env)


@pytest.fixture
def with_stdout(env: dict[str, str], tmp_path: Path) -> Start:
    """Return a function that runs the program with another stdout."""

    def run_with(stdout: Any, *arguments: str, **more: Any) -> Completed:
        with started(arguments, env, tmp_path, stdout=stdout, **more) as process:
            return completed(process)

    return run_with


def scan(db: Path, *more: str) -> list[str]:
    return ["scan", "--db", f"sqlite:///{db}", *more]


# ---- which stream


def test_the_report_is_on_stdout_and_nothing_on_stderr(run: Run, duplicates: Path) -> None:
    done = run(*scan(duplicates))
    assert b"activity_1" in done.out
    assert done.err == b""


def test_json_stands_alone_on_stdout_also_with_v_and_failures(run: Run, duplicates: Path, tmp_path: Path) -> None:
    gone = f"gone=sqlite:///{tmp_path / 'gone.db'}"
    done = run("scan", "--db", gone, "--db", f"here=sqlite:///{duplicates}", "-f", "json", "-v")
    assert report_of(done)["complete"] is False
    assert b"gone.db" in done.err


def test_quiet_keeps_errors(run: Run, tmp_path: Path) -> None:
    done = run(*scan(tmp_path / "gone.db", "-q", "-o", "report.txt"))
    assert done.code == 3
    assert "no such database file" in said(done)


def test_output_to_a_file_leaves_stdout_empty(run: Run, duplicates: Path, tmp_path: Path) -> None:
    done = run(*scan(duplicates, "-f", "json", "-o", "report.json"))
    assert done.code == 1
    assert done.out == done.err == b""
    assert valid_report((tmp_path / "report.json").read_bytes())["summary"]["findings"] == 2
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["report.json"]


def test_a_dash_is_stdout(run: Run, duplicates: Path, tmp_path: Path) -> None:
    done = run(*scan(duplicates, "-f", "json", "-o", "-"))
    assert report_of(done)
    assert not (tmp_path / "-").exists()


# ---- streams that take nothing


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_before_the_start_is_no_crash(
    run: Run, env: dict[str, str], tmp_path: Path, duplicates: Path, stream: str
) -> None:
    number = {"stdout": 1, "stderr": 2}[stream]
    with started(scan(duplicates), env, tmp_path, preexec_fn=lambda: os.close(number)) as process:
        done = completed(process)
    assert done.code == 1
    assert done.err == b""


def test_a_reader_that_went_away_before_the_first_byte_is_141_and_silent(with_stdout: Start, duplicates: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        for arguments in (scan(duplicates), scan(duplicates, "-f", "json"), ["--help"], ["schema", "report"]):
            done = with_stdout(writer, *arguments)
            assert (done.code, done.err) == (141, b""), arguments
    finally:
        os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_in_the_middle_is_141_and_silent(
    env: dict[str, str], tmp_path: Path, large: Path, unbuffered: str
) -> None:
    # Unbuffered, Python loses what a write did not take whole, and the rest would look written.
    env["PYTHONUNBUFFERED"] = unbuffered
    arguments = scan(large, "--check", "duplicate_ids", "-f", "json", "--max-findings", "5000")
    with started(arguments, env, tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.parametrize(
    "arguments", [["scan"], ["scan", "-f", "json"], ["--help"], ["--version"], ["schema", "report"]]
)
def test_a_full_disk_behind_stdout_is_said_and_is_no_success(
    env: dict[str, str], with_stdout: Start, clean: Path, arguments: list[str]
) -> None:
    env["DEDUPAUDIT_DB"] = f"sqlite:///{clean}"
    with open("/dev/full", "wb") as full:
        done = with_stdout(full, *arguments)
    assert done.code == 3
    assert "standard output could not be written in full: No space left on device" in said(done)
    assert "defect" not in said(done)


def test_a_full_disk_behind_stderr_does_not_change_the_code(with_stdout: Start, clean: Path) -> None:
    with open("/dev/full", "wb") as full:
        assert with_stdout(full, "scan", "--nonsense", stderr=full).code == 2
        assert with_stdout(full, stderr=full).code == 2
        assert with_stdout(None, *scan(clean, "-o", os.devnull), stderr=full).code == 0


def test_no_stdin_at_all_is_no_crash(with_stdout: Start, clean: Path) -> None:
    assert with_stdout(-1, *scan(clean), stdin=None, preexec_fn=lambda: os.close(0)).code == 0


# ---- colour, progress, width


def test_a_pipe_gets_no_escape_sequence(run: Run, duplicates: Path) -> None:
    for more in ({"TERM": "xterm-256color"}, {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm"}):
        done = run(*scan(duplicates), env=more)
        assert b"\x1b" not in done.out + done.err


def test_a_terminal_gets_colour_and_the_same_text(
    run: Run, env: dict[str, str], tmp_path: Path, duplicates: Path
) -> None:
    shown = on_terminal(scan(duplicates), {**env, "TERM": "xterm"}, tmp_path, ["stdout"])
    piped = run(*scan(duplicates))
    assert SGR.search(shown.out.decode())
    assert not dangerous(shown.out.decode(), colour=True)
    assert SGR.sub("", shown.out.decode()).splitlines()[1:] == piped.out.decode().splitlines()[1:]
    assert shown.code == piped.code == 1


@pytest.mark.parametrize(("more", "options"), [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--no-color"])])
def test_a_terminal_gets_no_colour_where_that_is_asked(
    env: dict[str, str], tmp_path: Path, duplicates: Path, more: dict[str, str], options: list[str]
) -> None:
    environment = {**env, "TERM": "xterm", **more}
    shown = on_terminal(scan(duplicates, *options), environment, tmp_path, ["stdout"])
    assert b"activity_1" in shown.out
    assert b"\x1b" not in shown.out


def test_an_empty_no_color_means_nothing(env: dict[str, str], tmp_path: Path, duplicates: Path) -> None:
    shown = on_terminal(scan(duplicates), {**env, "TERM": "xterm", "NO_COLOR": ""}, tmp_path, ["stdout"])
    assert SGR.search(shown.out.decode())


def test_progress_is_on_stderr_and_on_a_terminal_only(env: dict[str, str], tmp_path: Path, large: Path) -> None:
    arguments = scan(large, "-f", "json", "--check", "duplicate_ids")
    shown = on_terminal(arguments, {**env, "TERM": "xterm"}, tmp_path, ["stderr"])
    assert b"db.activities: survey" in shown.err
    assert report_of(shown)["summary"]["by_check"]["duplicate_ids"] > 0


@pytest.mark.parametrize("option", ["-q", "--no-progress"])
def test_progress_can_be_switched_off(env: dict[str, str], tmp_path: Path, duplicates: Path, option: str) -> None:
    shown = on_terminal(scan(duplicates, option), {**env, "TERM": "xterm"}, tmp_path, ["stderr"])
    assert shown.err == b""


@pytest.mark.parametrize("columns", [80, 160])
def test_the_width_is_the_terminals(env: dict[str, str], tmp_path: Path, incident: Path, columns: int) -> None:
    arguments = ["scan", "--config", str(incident / "dedupaudit.toml"), "--no-color"]
    shown = on_terminal(arguments, {**env, "TERM": "xterm"}, tmp_path, ["stdout"], columns=columns)
    widest = max(map(len, shown.out.decode().splitlines()))
    assert columns * 3 // 4 < widest <= columns


@pytest.mark.parametrize(("columns", "most"), [("160", 160), ("", 80), ("nonsense", 80)])
def test_the_width_of_a_pipe_is_columns_or_80(run: Run, incident: Path, columns: str, most: int) -> None:
    done = run("scan", "--config", incident / "dedupaudit.toml", env={"COLUMNS": columns})
    assert done.code == 1
    widest = max(map(len, done.out.decode().splitlines()))
    assert widest <= most
    assert columns != "160" or widest > most * 3 // 4


# ---- encodings


@pytest.mark.parametrize("more", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
@pytest.mark.parametrize("encoding", ["", "latin-1"])
def test_json_is_utf_8_whatever_the_locale(run: Run, incident: Path, more: dict[str, str], encoding: str) -> None:
    environment = {**more, **({"PYTHONIOENCODING": encoding} if encoding else {})}
    done = run("scan", "--config", incident / "dedupaudit.toml", "-f", "json", env=environment)
    assert done.code == 1
    assert report_of(done)["summary"]["findings"] > 10


def test_text_is_readable_in_latin_1(run: Run, incident: Path) -> None:
    done = run("scan", "--config", incident / "dedupaudit.toml", env={"PYTHONIOENCODING": "latin-1"})
    assert done.code == 1
    text = done.out.decode("latin-1")
    assert text.isascii()
    assert "FOUND:" in text
