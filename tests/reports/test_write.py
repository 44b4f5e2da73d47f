"""A report takes its place whole or not at all, and a bad place is known before the work."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from dedupaudit.errors import AuditError, OutputError, UsageError
from dedupaudit.reports.write import check_writable, write_report

_NOBODY = 65534


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be one: root may write anywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Return a folder that every user may look into; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def put(path: Path | None, text: str = "new") -> None:
    def render(out: TextIO) -> None:
        out.write(text)

    write_report(path, render)


def test_a_report_is_written_as_utf8(tmp_path: Path) -> None:
    put(tmp_path / "r.txt", "重新入队\n")
    assert (tmp_path / "r.txt").read_bytes() == "重新入队\n".encode()
    assert os.listdir(tmp_path) == ["r.txt"]


@pytest.mark.parametrize("path", [None, Path("-")])
def test_a_dash_is_stdout(path: Path | None, capsys: pytest.CaptureFixture[str]) -> None:
    put(path, "out")
    assert capsys.readouterr().out == "out"


def test_an_error_while_rendering_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("earlier")

    def fail(out: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_report(path, fail)
    assert path.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["r.txt"]


def test_permissions_of_an_earlier_file_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("earlier")
    path.chmod(0o640)
    put(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_text() == "new"


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "r.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r.txt").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    put(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    check_writable(Path("/dev/null"))
    put(Path("/dev/null"))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_full_disk_ends_the_run_as_incomplete() -> None:
    with pytest.raises(OutputError) as caught:
        put(Path("/dev/full"), "x" * 100_000)
    assert caught.value.message == "/dev/full could not be written in full: No space left on device"
    assert "free some space" in caught.value.hint


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("none/r.txt", "make the folder first"),
        ("file/r.txt", "part of this path is a file"),
        ("folder", "name a file in it"),
        ("x" * 300, "choose a shorter name"),
        ("nul\0", "name another one"),
    ],
)
def test_a_place_that_cannot_be_written_is_known_beforehand(tmp_path: Path, place: str, hint: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for attempt in (check_writable, put):
        with pytest.raises(UsageError) as caught:
            attempt(tmp_path / place)
        assert hint in caught.value.hint
        assert caught.value.message.isprintable()
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_read_only_folder_is_known_beforehand(public_folder: Path) -> None:
    public_folder.chmod(0o555)
    with ordinary_user(), pytest.raises(UsageError) as caught:
        check_writable(public_folder / "r.txt")
    assert "Permission denied" in caught.value.message
    assert "that you may write to" in caught.value.hint


def test_looking_beforehand_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    check_writable(path)
    assert os.listdir(tmp_path) == []
    path.write_text("earlier")
    check_writable(path)
    assert path.read_text() == "earlier"


def test_a_hostile_name_stays_harmless(tmp_path: Path) -> None:
    with pytest.raises(AuditError) as caught:
        check_writable(tmp_path / "\x1b[2J\n" / "r.txt")
    assert r"\x1b[2J\n" in caught.value.message


def test_a_reader_that_went_away_stays_a_closed_pipe() -> None:
    read, write = os.pipe()

    def leave(out: TextIO) -> None:
        os.close(read)
        out.write("x" * 100_000)

    try:
        with pytest.raises(BrokenPipeError):
            write_report(Path(f"/dev/fd/{write}"), leave)
    finally:
        os.close(write)
