"""Which files are read, in which order, how they are unpacked, and what is told of damaged ones."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from dedupaudit.config.models import LogsSettings
from dedupaudit.errors import Cancelled, UsageError
from dedupaudit.interrupt import Interrupt
from dedupaudit.sources.logs import open_logs
from dedupaudit.sources.logs.protocol import LogSource
from dedupaudit.sources.logs.reader import FileLogs
from dedupaudit.sources.logs.rotation import find_logs
from tests.sources.logs.making import EVENTS, LINES, TEXT, read, short

RAW = TEXT.encode("utf-8")
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def names(paths: tuple[str, ...]) -> list[str]:
    return [os.path.basename(path) for path in paths]


def test_rotated_files_are_read_oldest_first(folder: Path) -> None:
    made = ["app.log", "app.log.1", "app.log.10.gz", "app.log.2.gz", "back.log", "back.log.1"]
    for name in made:
        (folder / name).touch()
    expected = ["app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log", "back.log.1", "back.log"]
    assert names(find_logs([str(folder / "*.log*")])) == expected
    assert names(find_logs([str(folder)])) == expected
    assert names(find_logs([str(folder / name) for name in made])) == expected


def test_files_rotated_by_date_are_read_by_date(folder: Path) -> None:
    for name in ("app.log", "app.log-20251224", "app.log-20251223.gz", "app.log-20251224-1530.xz"):
        (folder / name).touch()
    expected = ["app.log-20251223.gz", "app.log-20251224", "app.log-20251224-1530.xz", "app.log"]
    assert names(find_logs([str(folder)])) == expected


def test_a_date_may_stand_before_the_ending(folder: Path) -> None:
    for name in ("app.log", "app-2025-12-24.log", "app-2025-12-23.log.gz"):
        (folder / name).touch()
    assert names(find_logs([str(folder)])) == ["app-2025-12-23.log.gz", "app-2025-12-24.log", "app.log"]


def test_a_file_that_is_named_twice_is_read_once(folder: Path) -> None:
    (folder / "app.log").touch()
    (folder / "same.log").symlink_to(folder / "app.log")
    assert len(find_logs([str(folder / "app.log"), str(folder), str(folder / "same.log")])) == 1


def test_a_name_with_the_letters_of_a_pattern_is_that_file(folder: Path) -> None:
    (folder / "app[1].log").touch()
    assert names(find_logs([str(folder / "app[1].log")])) == ["app[1].log"]


@pytest.mark.parametrize("name", ["none.log", "none*.log", "", "zero\0.log"])
def test_a_name_that_means_no_file_is_wrong_usage(folder: Path, name: str) -> None:
    with pytest.raises(UsageError):
        find_logs([str(folder / "empty") if not name else str(folder / name)])


def test_a_folder_without_files_is_wrong_usage(folder: Path) -> None:
    with pytest.raises(UsageError, match="no files"):
        find_logs([str(folder)])


def test_a_folder_that_cannot_be_read_is_wrong_usage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(13, "Permission denied")  # root, who may run the tests, is never refused

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match="Permission denied"):
        find_logs([str(folder)])


def test_the_reader_is_a_source_of_logs(folder: Path) -> None:
    source: LogSource = FileLogs([])
    assert (source.files, list(source.events())) == ((), [])


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_files_are_known_by_their_first_bytes(folder: Path, kind: str) -> None:
    log = folder / "app.log"
    half = len(RAW) // 2
    log.write_bytes(PACKERS[kind](RAW[:half]) + PACKERS[kind](RAW[half:]))
    events, file = read(log)
    assert (file.compression, file.damage, file.bytes, file.lines) == (kind, None, len(RAW), len(LINES))
    assert short(events) == EVENTS


@pytest.mark.parametrize("kind", PACKERS)
def test_a_packed_file_that_was_cut_off_is_read_as_far_as_it_goes(folder: Path, kind: str) -> None:
    log = folder / "app.log"
    packed = PACKERS[kind](b"".join(b"%d %s\n" % (n, os.urandom(400).hex().encode()) for n in range(1000)) + RAW)
    log.write_bytes(PACKERS[kind](RAW) + packed[: len(packed) // 2])
    events, file = read(log)
    assert short(events) == EVENTS
    assert file.damage == f"read in part: the {kind} data is cut off"
    assert file.lines > len(LINES)


@pytest.mark.parametrize("kind", PACKERS)
def test_damaged_packed_data_is_named(folder: Path, kind: str) -> None:
    log = folder / "app.log"
    packed = bytearray(PACKERS[kind](os.urandom(300_000).hex().encode()))
    middle = len(packed) // 2
    packed[middle : middle + 2000] = os.urandom(2000)
    log.write_bytes(PACKERS[kind](RAW) + packed)
    events, file = read(log)
    assert short(events) == EVENTS
    assert file.damage is not None and file.damage.startswith("read in part: ")


def test_what_follows_packed_data_is_named_unless_it_is_filling(folder: Path) -> None:
    log = folder / "app.log.gz"
    log.write_bytes(gzip.compress(RAW) + bytes(512))
    assert read(log)[1].damage is None
    log.write_bytes(gzip.compress(RAW) + b"and more")
    assert "follows" in str(read(log)[1].damage)


def test_a_bomb_of_zeros_is_one_long_line(folder: Path) -> None:
    log = folder / "app.log.gz"
    log.write_bytes(gzip.compress(RAW + bytes(50_000_000)))
    events, file = read(log)
    assert (short(events), file.long_lines, file.bytes) == (EVENTS, 1, len(RAW) + 50_000_000)


def test_zstd_without_its_package_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = folder / "app.log.zst"
    log.write_bytes(PACKERS["zstd"](RAW))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    events, file = read(log)
    assert events == []
    assert file.damage is not None and "dedupaudit[zstd]" in file.damage


@pytest.mark.parametrize(
    "content",
    [b"\x7fELF\x02\x01\x01" + bytes(100), b"\x89PNG\r\n\x1a\n", bz2.compress(os.urandom(5000)), os.urandom(5000)],
)
def test_a_file_that_is_no_text_is_not_read(folder: Path, content: bytes) -> None:
    log = folder / "app.log"
    log.write_bytes(content)
    assert read(log)[1].damage == "not read: it is no text"


def test_an_unreadable_file_does_not_keep_the_others_from_being_read(folder: Path) -> None:
    (folder / "a.log").write_bytes(RAW)
    (folder / "b.log").symlink_to(folder / "gone")
    (folder / "c.log").write_bytes(RAW)
    logs = FileLogs([str(folder / name) for name in ("a.log", "b.log", "c.log")])
    assert len(list(logs.events())) == 2 * len(EVENTS)
    assert [file.damage for file in logs.files] == [None, "not read: No such file or directory", None]


def test_a_folder_is_no_file_and_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert read(folder)[1].damage is not None
    assert read(folder / "pipe")[0] == []


def test_an_empty_file_has_no_lines(folder: Path) -> None:
    (folder / "app.log").touch()
    events, file = read(folder / "app.log")
    assert (events, file.lines, file.bytes, file.damage) == ([], 0, 0, None)


def test_a_file_that_grows_is_read_to_the_size_it_had(folder: Path) -> None:
    log = folder / "app.log"
    log.write_bytes(RAW * 10_000)
    size = log.stat().st_size
    logs = FileLogs([str(log)])
    for _ in logs.batches():
        with log.open("ab") as more:
            more.write(RAW)
    assert logs.files[0].bytes == size
    assert log.stat().st_size > size


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_read(pack: Callable[[bytes], bytes]) -> None:
    logs = FileLogs(["-"], standard_input=io.BytesIO(pack(RAW)))
    assert short(list(logs.events())) == EVENTS
    assert logs.files[0].name == "standard input"


def test_the_configured_files_are_read_where_none_is_named(folder: Path) -> None:
    (folder / "app.log").write_bytes(RAW)
    logs = open_logs(LogsSettings(files=(str(folder / "*.log"),), timezone="Asia/Shanghai"))
    assert short(list(logs.events())) == EVENTS


def test_a_signal_ends_the_reading(folder: Path) -> None:
    (folder / "app.log").write_bytes(RAW)
    with pytest.raises(Cancelled):
        list(FileLogs([str(folder / "app.log")], interrupt=Interrupt(signum=15)).events())


def test_only_the_wanted_events_are_found(folder: Path) -> None:
    (folder / "app.log").write_bytes(RAW)
    logs = FileLogs([str(folder / "app.log")])
    assert short(list(logs.events(frozenset({"requeue"})))) == [(2, "requeue")]
    assert short(list(logs.events(frozenset({"timeout", "send"})))) == [(1, "send"), (2, "timeout")]


def test_unknown_lines_are_those_that_no_pattern_knew(folder: Path) -> None:
    (folder / "app.log").write_bytes(RAW + b"\n  \nwhat is this activity_1?\n\x1b[31mred\x1b[0m\n")
    logs = FileLogs([str(folder / "app.log")])
    assert [line.line for line in logs.unknown_lines(10)] == [3, 17, 18]
    assert [line.text for line in logs.unknown_lines(2)] == [LINES[2], "what is this activity_1?"]
