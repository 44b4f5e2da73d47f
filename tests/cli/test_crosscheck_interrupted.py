"""`crosscheck` that is stopped, or whose disk is full: the code, nobody judged by what was not seen, nothing left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.cli.conftest import ENDLESS
from tests.cli.launching import burn, completed, default_signals, started, with_checkout
from tests.cli.reading import report_of, said, statuses, strict_json
from tests.cli.test_crosscheck_bad_store import nothing_judged
from tests.cli.test_full_disk import OnSmallDisk, namespace, on_small_disk
from tests.conftest import Completed
from tests.crosscheck.scene import OLD_SECONDS, Folder, database, found, oss_arguments, oss_env, picture, rows
from tests.oss.faults import Action, Proceed, short_pages
from tests.oss.objects import stored
from tests.oss.server import DEFAULT, FakeOss
from tests.oss.wire import Answer, Request

__all__ = ["namespace", "on_small_disk"]

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
NAMES = [str(number) for number, _ in SIGNALS]
LONG = 60.0  # seconds that nothing here takes


@pytest.fixture
def env(clean_env: dict[str, str], temporary: Path) -> dict[str, str]:
    return {**with_checkout(clean_env), "TMPDIR": str(temporary), **oss_env()}


class Silence:
    """An action of the fake OSS that does not answer until the test is over."""

    def __init__(self) -> None:
        self.asked = Event()
        self.over = Event()

    def action(self) -> Action:
        def act(request: Request, proceed: Proceed) -> Answer:
            self.asked.set()
            self.over.wait(LONG)
            return proceed(request)

        return act


@pytest.fixture
def silence(oss: FakeOss) -> Iterator[Silence]:
    """Return a silence that ends before the server does."""
    made = Silence()
    yield made
    made.over.set()


def stopped(done: Completed, temporary: Path, code: int) -> dict[str, Any]:
    """Assert that a run ended by this signal, told nothing that it did not see, and left nothing; return its report."""
    report = report_of(done)
    message = said(done)
    assert done.code == code, message
    assert report["complete"] is False
    assert report["findings"] == []
    assert set(statuses(report).values()) == {"stopped"}
    assert "interrupted" in message
    assert DEFAULT.secret not in message + done.out.decode()
    assert os.listdir(temporary) == []
    return report


def signalled_in_silence(
    arguments: Sequence[str], env: dict[str, str], folder: Path, silence: Silence, number: signal.Signals
) -> Completed:
    with started(["crosscheck", "-f", "json", *arguments], env, folder, preexec_fn=default_signals) as process:
        assert silence.asked.wait(LONG), "nobody asked"
        process.send_signal(number)
        return completed(process)


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=NAMES)
def test_a_signal_while_objects_are_listed_judges_nobody(
    env: dict[str, str],
    tmp_path: Path,
    temporary: Path,
    oss: FakeOss,
    silence: Silence,
    number: signal.Signals,
    code: int,
) -> None:
    """The server keeps silent: the signal is obeyed all the same, and not when the answer comes at last."""
    oss.bucket.fill(picture(number) for number in range(60))
    oss.misbehave(short_pages(20), kind="list", times=None)
    oss.misbehave(silence.action(), kind="list", nth=3, times=None)
    db = database(tmp_path / "app.db", rows(*range(50), 100))
    arguments = ["--db", f"sqlite:///{db}", *oss_arguments(oss)]
    stopped(signalled_in_silence(arguments, env, tmp_path, silence, number), temporary, code)


def test_a_signal_before_the_bucket_has_answered_at_all(
    env: dict[str, str], tmp_path: Path, temporary: Path, oss: FakeOss, silence: Silence
) -> None:
    oss.misbehave(silence.action(), times=None)
    db = database(tmp_path / "app.db", rows(1))
    arguments = ["--db", f"sqlite:///{db}", *oss_arguments(oss)]
    stopped(signalled_in_silence(arguments, env, tmp_path, silence, signal.SIGINT), temporary, 130)


@pytest.mark.parametrize("threads", ["1", "4"])
def test_a_signal_while_suspects_are_looked_at_judges_nobody(
    env: dict[str, str], tmp_path: Path, temporary: Path, oss: FakeOss, silence: Silence, threads: str
) -> None:
    """Suspects are no findings."""
    oss.bucket.fill(picture(number) for number in range(60))
    oss.misbehave(silence.action(), kind="head", nth=2, times=None)
    db = database(tmp_path / "app.db", rows(*range(50), 100, 101))
    target = tmp_path / "all.jsonl"
    arguments = ["--db", f"sqlite:///{db}", "--threads", threads, "--findings", str(target), *oss_arguments(oss)]
    stopped(signalled_in_silence(arguments, env, tmp_path, silence, signal.SIGTERM), temporary, 143)
    assert [strict_json(line) for line in target.read_bytes().splitlines()] == []


@pytest.mark.parametrize(("number", "code"), [*SIGNALS, (signal.SIGHUP, 129)], ids=[*NAMES, "1"])
def test_a_signal_while_rows_are_read_judges_nobody(
    env: dict[str, str], tmp_path: Path, temporary: Path, number: signal.Signals, code: int
) -> None:
    folder = Folder(tmp_path / "objects")
    folder.put(picture(1))
    db = database(tmp_path / "app.db", rows(1, 2))
    (tmp_path / "dedupaudit.toml").write_text(f'[tables.screenshots]\nwhere = "{ENDLESS}"\n')
    arguments = ["crosscheck", "--db", f"sqlite:///{db}", *folder.arguments(), "-f", "json"]
    with started(arguments, env, tmp_path, preexec_fn=default_signals) as process:
        while not os.listdir(temporary):
            burn(process, 0.05)
        burn(process, 0.2)
        process.send_signal(number)
        done = completed(process)
    report = stopped(done, temporary, code)
    assert next(iter(report["summary"]["objects"].values()))["objects"] is None


# ---- a full disk


def test_a_disk_too_small_for_the_rows_judges_nobody(on_small_disk: OnSmallDisk, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "objects")
    folder.put(picture(1))
    db = database(tmp_path / "app.db", rows(*range(20_000)))
    arguments = ["crosscheck", "--db", f"sqlite:///{db}", *folder.arguments(), "-f", "json"]
    full(on_small_disk(*arguments, "--memory-limit", "48MB", TMPDIR=str(tmp_path / "disk")))


def test_a_disk_too_small_for_the_listing_judges_nobody(
    on_small_disk: OnSmallDisk, tmp_path: Path, oss: FakeOss
) -> None:
    old = stored(b"x", OLD_SECONDS)
    oss.bucket.fill((f"screenshots/{number:070}.jpg" for number in range(15_000)), lambda _key: old)
    for number in range(10):
        oss.bucket.put(picture(number), b"x", OLD_SECONDS)
    db = database(tmp_path / "app.db", rows(*range(12)))
    arguments = ["crosscheck", "--db", f"sqlite:///{db}", *oss_arguments(oss), "-f", "json"]
    full(on_small_disk(*arguments, "--memory-limit", "48MB", TMPDIR=str(tmp_path / "disk"), **oss_env()))
    assert oss.counts["head"] == 0


def full(done: Completed) -> None:
    """Assert that nobody was judged for want of room, and that no temporary folder is on the disk any more."""
    report = nothing_judged(done, "temporary files", "TMPDIR")
    assert not found(report, "missing_object") | found(report, "orphan_object")
    # What was left there would be listed at the end of stderr.
    assert "dedupaudit-" not in said(done)
