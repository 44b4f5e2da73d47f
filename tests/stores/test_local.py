"""A folder as a store: links lead nowhere outside, a full disk or a killed writer leaves nothing, rights are said."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from dedupaudit.errors import SourceError, UsageError
from dedupaudit.stores import open_store
from dedupaudit.stores.local import LocalStore
from tests.conftest import ROOT
from tests.ordinary_user import NOBODY, open_folder
from tests.stores.test_stores import keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "objects"
    made.mkdir()
    return made


@pytest.fixture
def local(folder: Path) -> LocalStore:
    return LocalStore(f"file://{folder}")


def test_a_key_is_never_written_through_a_link_that_leads_out(local: LocalStore, folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    (folder / "link").symlink_to(outside)
    (folder / "deep").mkdir()
    (folder / "deep" / "link").symlink_to("../../outside")
    for key in ("link/x", "deep/link/x", "deep/link/y/z", "link/kept"):
        for act in (partial(local.put, key, b"x"), partial(local.delete, [key])):
            with pytest.raises(SourceError, match="leads out"):
                act()
    assert os.listdir(outside) == ["kept"]


def test_a_link_within_the_folder_is_followed_as_the_listing_of_an_audit_does(local: LocalStore, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    assert local.put("link/x", b"1")
    assert keys(local.below("")) == ["real/x"]
    assert local.holds("link/x", b"1") is True


def test_a_file_is_no_folder_and_a_folder_no_file(local: LocalStore) -> None:
    local.put("a/b", b"1")
    for key in ("a", "a/b/c", "a/b/c/d", "a//b", "a/", "a/../a/c", "./x", "nul\0", "x" * 256, "a/" * 3000 + "b"):
        for overwrite in (False, True):
            with pytest.raises(UsageError, match="cannot have an object"):
                local.put(key, b"2", overwrite=overwrite)
    assert local.delete(["a", "a/b/c"]) == 2
    assert local.holds("a/b", b"1") is True


def test_empty_folders_go_with_their_last_object_and_those_beside_stay(local: LocalStore, folder: Path) -> None:
    (folder / "empty").mkdir()
    local.put("p/q/r/1", b"1")
    local.put("p/2", b"2")
    local.put("p/2", b"3", overwrite=True)
    local.delete(["p/q/r/1"])
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == ["empty", "p", "p/2"]


def test_a_new_file_has_the_rights_of_any_new_file(local: LocalStore, folder: Path) -> None:
    before = os.umask(0o027)
    try:
        local.put("a", b"")
        local.put("b", b"", overwrite=True)
    finally:
        os.umask(before)
    assert [os.stat(folder / name).st_mode & 0o777 for name in "ab"] == [0o640, 0o640]


def test_there_is_no_such_folder_and_none_is_made(folder: Path) -> None:
    store = open_store(f"file://{folder}/gone")
    for act in (store.preflight, lambda: store.put("a", b""), lambda: store.delete(["a"]), lambda: store.look("a")):
        with pytest.raises(SourceError, match="no folder"):
            act()
    assert not (folder / "gone").exists()


def test_the_name_of_an_object_that_another_wrote_is_on_disk_too(
    local: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put("p/a", b"1")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    assert not local.put("p/a", b"1")
    assert str(folder / "p") in synced


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no file that is larger: what a full disk does, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_fills_up_leaves_nothing(local: LocalStore, folder: Path, overwrite: bool) -> None:
    with files_of_at_most(1_000_000), pytest.raises(SourceError, match="cannot write p/q/a") as failed:
        local.put("p/q/a", bytes(1_500_000), overwrite=overwrite)
    assert "room" in failed.value.hint
    assert os.listdir(folder) == []


_KILLED = """
import os, sys
from dedupaudit.stores.local import LocalStore

def reached(file):
    print("written", flush=True)
    sys.stdin.read()

os.fsync = reached
LocalStore(sys.argv[1]).put("a", b"x" * 100_000, overwrite=sys.argv[2] == "True")
"""


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_writer_that_is_killed_leaves_no_object(local: LocalStore, folder: Path, overwrite: bool) -> None:
    command = [sys.executable, "-c", _KILLED, f"file://{folder}", str(overwrite)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        writer.send_signal(signal.SIGKILL)
    left = keys(local.below(""))
    # Where a name was needed, it is one that the crosscheck passes over.
    assert len(left) == int(overwrite)
    assert all(key.startswith("_dedupaudit/") for key in left)
    assert local.put("a", b"1", overwrite=overwrite)


def test_a_folder_that_may_not_be_written_is_said() -> None:
    with open_folder() as folder:
        (folder / "there").write_bytes(b"1")
        folder.chmod(0o555)
        store = LocalStore(f"file://{folder}")
        before = os.geteuid()
        os.seteuid(NOBODY if before == 0 else before)
        try:
            for act in (lambda: store.put("a/b", b""), lambda: store.delete(["there"]), store.preflight):
                with pytest.raises(SourceError, match="Permission denied") as failed:
                    act()
                assert failed.value.hint
        finally:
            os.seteuid(before)
            folder.chmod(0o755)


@pytest.mark.parametrize("url", ["http://x/y", "s3://b", "", "no url"])
def test_a_url_of_no_store(url: str) -> None:
    with pytest.raises(UsageError, match="no store"):
        open_store(url)
