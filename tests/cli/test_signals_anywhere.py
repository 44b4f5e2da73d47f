"""Signals at moments that nobody hits by chance: between two looks, in the middle of the report, while it all ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from dedupaudit.demo import build
from dedupaudit.errors import Cancelled
from dedupaudit.interrupt import Interrupt, Runtime
from dedupaudit.main import run
from tests.cli.launching import completed, default_signals, started, with_checkout
from tests.cli.reading import report_of, valid_report
from tests.conftest import Completed

_NEVER = (b"Traceback", b"defect", b"Exception ignored", b"leaked")
# Sends this process a signal just before something in it is called for the nth time.
_SCRIPT = """
import functools, importlib, os, sys
place, number = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
from dedupaudit.main import main
place, _, nth = place.partition("@")
module, _, path = place.partition(":")
*inside, name = path.split(".")
owner = functools.reduce(getattr, inside, importlib.import_module(module))
called, calls = getattr(owner, name), []
def signalled(*args, **named):
    calls.append(1)
    if len(calls) == int(nth or 1):
        os.kill(os.getpid(), number)
    return called(*args, **named)
setattr(owner, name, signalled)
main()
"""


@pytest.fixture
def env(clean_env: dict[str, str], temporary: Path) -> dict[str, str]:
    return {**with_checkout(clean_env), "TMPDIR": str(temporary), "DEDUPAUDIT_MASK_KEY": "0123456789abcdef" * 2}


def signalled_at(place: str, arguments: list[str], env: dict[str, str], cwd: Path, script: str = _SCRIPT) -> Completed:
    """Run the program, which a SIGTERM meets at `place`, as `module:name@nth`; nothing but the signal may be told."""
    command = [sys.executable, "-c", script, place, str(int(signal.SIGTERM)), *arguments]
    with subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=default_signals,
    ) as process:
        done = completed(process)
    for word in _NEVER:
        assert word not in done.err, done.err
    assert list(Path(env["TMPDIR"]).iterdir()) == []
    return done


def crosscheck_of(database: Path, folder: Path) -> list[str]:
    """Return a crosscheck of a database's rows against an empty folder, which is made."""
    objects = folder / "objects"
    objects.mkdir()
    return ["crosscheck", "--db", f"sqlite:///{database}", "--objects", f"file://{objects}", "-f", "json"]


@pytest.mark.parametrize("more", [[], ["--mask", "activities.device_id"]], ids=["plain", "masked"])
@pytest.mark.parametrize("place", ["dedupaudit.main:_prepare_streams", "dedupaudit.commands.running:run_with_sink"])
def test_before_anything_was_seen_it_is_the_signal_alone(
    env: dict[str, str], tmp_path: Path, duplicates: Path, place: str, more: list[str]
) -> None:
    done = signalled_at(place, ["scan", "--db", f"sqlite:///{duplicates}", "-f", "json", *more], env, tmp_path)
    assert (done.code, done.out, done.err) == (143, b"", b"")


def test_when_all_was_seen_the_report_is_owed(env: dict[str, str], tmp_path: Path, duplicates: Path) -> None:
    arguments = ["scan", "--db", f"sqlite:///{duplicates}", "-f", "json"]
    done = signalled_at("dedupaudit.worst:Worst.findings", arguments, env, tmp_path)
    report = report_of(done)
    assert done.code == 143
    assert report["complete"] is False
    assert report["findings"]


@pytest.mark.parametrize(
    "place",
    [
        "dedupaudit.commands.running:Watch.judged",
        "dedupaudit.history.remembering:Remembering.keep",
        "dedupaudit.reports.json:json_safe@2",
    ],
)
def test_a_report_is_not_cut_off(env: dict[str, str], tmp_path: Path, duplicates: Path, place: str) -> None:
    done = signalled_at(place, ["scan", "--db", f"sqlite:///{duplicates}", "-f", "json"], env, tmp_path)
    assert done.code == 143
    assert report_of(done)["findings"]


def test_a_file_of_findings_that_is_not_ready_costs_no_report(
    env: dict[str, str], tmp_path: Path, duplicates: Path
) -> None:
    (tmp_path / "all.parquet").write_bytes(b"the last one")
    arguments = ["scan", "--db", f"sqlite:///{duplicates}", "-f", "json", "--findings", "all.parquet", "-o", "report"]
    done = signalled_at("dedupaudit.reports.parquet:_convert", arguments, env, tmp_path)
    assert done.code == 143
    assert valid_report((tmp_path / "report").read_bytes())["findings"]
    assert (tmp_path / "all.parquet").read_bytes() == b"the last one"
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize(
    "place",
    [
        "dedupaudit.snapshot.crossing:Crossing._run",
        "dedupaudit.snapshot.intake:Intake.finish",
        "dedupaudit.snapshot.intake:_Loader.finish",
        "dedupaudit.snapshot.engine:Engine.close",
    ],
)
def test_the_engine_is_gone_whenever_it_comes(
    env: dict[str, str], tmp_path: Path, two_tables: Path, place: str
) -> None:
    done = signalled_at(place, crosscheck_of(two_tables, tmp_path), env, tmp_path)
    assert done.code == 143
    assert report_of(done)["complete"] is False


def test_the_engine_is_imported_whole(env: dict[str, str], tmp_path: Path, two_tables: Path) -> None:
    """What is raised while its C++ makes Python's classes ends the process by SIGABRT, without a report."""
    script = """
import atexit, os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "_duckdb":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))
number = sys.argv[2]
del sys.argv[1:3]
sys.meta_path.insert(0, Finder())
atexit.register(lambda: "duckdb" in sys.modules or sys.stderr.write("it was broken off"))
from dedupaudit.main import main
main()
"""
    done = signalled_at("", crosscheck_of(two_tables, tmp_path), env, tmp_path, script)
    assert done.code == 143
    assert b"broken off" not in done.err
    assert report_of(done)["complete"] is False


def test_while_python_ends_it_is_silent(env: dict[str, str], tmp_path: Path, duplicates: Path) -> None:
    script = "import atexit, os, sys\natexit.register(os.kill, os.getpid(), int(sys.argv[2]))\ndel sys.argv[1:3]\n"
    script += "from dedupaudit.main import main\nmain()"
    arguments = ["scan", "--db", f"sqlite:///{duplicates}", "-f", "json"]
    done = signalled_at("", arguments, env, tmp_path, script)
    assert (done.code, done.err) == (-signal.SIGTERM, b"")
    assert report_of(done)["complete"] is True


def test_what_a_library_makes_of_it_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library in C drops what the signal's handler raised, and raises an error of its own."""

    def fails(*_args: object, **_named: object) -> int:
        raise RuntimeError("Query interrupted")

    monkeypatch.setattr("dedupaudit.commands.cli.cli.main", fails)
    with pytest.raises(Cancelled):
        run(["scan"], Runtime(Interrupt(signum=signal.SIGTERM)))
    assert run(["scan"], Runtime()) == 70


def test_nobody_takes_it_for_a_failure_of_his_own() -> None:
    """Libraries pass over what they catch by `except Exception`, and so the signal, and the run would go on."""
    assert not issubclass(Cancelled, Exception)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["scan", "crosscheck", "audit"])
def test_at_any_moment(env: dict[str, str], tmp_path: Path, command: str) -> None:
    """Whenever it comes, there is the signal's code or the run's own, a whole report or none, and nothing else."""
    build(tmp_path / "demo", rows=300, seed=2025)
    arguments = [command, "-f", "json", "--config", str(tmp_path / "demo/dedupaudit.toml")]

    def ended(after: float | None) -> tuple[int, bytes]:
        with started(arguments, env, tmp_path, preexec_fn=default_signals) as process:
            if after is not None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(after)
                process.terminate()
            done = completed(process)
        for word in _NEVER:
            assert word not in done.err, done.err
        assert list(Path(env["TMPDIR"]).iterdir()) == []
        return done.code, done.out

    began = time.monotonic()
    usual, _ = ended(None)
    seconds = time.monotonic() - began
    for part in (0.2, 0.4, 0.6, 0.8, 0.95):
        code, out = ended(part * seconds)
        # Before the program has a handler, and while Python ends, it is the signal that ends the process.
        assert code in (usual, 128 + signal.SIGTERM, -signal.SIGTERM)
        if out:
            valid_report(out)
