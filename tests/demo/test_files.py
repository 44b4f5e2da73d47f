"""The demo writes in its own folder only, over its own files only, and can be built again after any failure."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dedupaudit.demo import build, load_truth
from dedupaudit.demo.files import DemoFolder
from dedupaudit.errors import OutputError, Refused, UsageError
from tests.demo.oracle import read, totals

ROOT = Path(__file__).parent.parent.parent


def snapshot(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return everything below a folder: its kind and its bytes, or where a link leads."""
    content = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            what = ("link", os.fsencode(os.readlink(path)))
        else:
            what = ("folder", b"") if path.is_dir() else ("file", path.read_bytes())
        content[path.relative_to(folder).as_posix()] = what
    return content


def refuse(folder: Path, says: str) -> None:
    """Check that nothing is built and nothing is changed, and that the hint says what to do."""
    before = snapshot(folder)
    with pytest.raises(Refused, match=says) as caught:
        build(folder, rows=10)
    assert snapshot(folder) == before
    assert "dedupaudit demo DIR" in caught.value.hint
    assert caught.value.exit_code == 5


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return a small demo that a test may change."""
    build(tmp_path / "demo", rows=10)
    return tmp_path / "demo"


def test_an_empty_folder_and_one_below_missing_ones_are_built_in(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    build(tmp_path / "empty", rows=10)
    build(tmp_path / "not" / "yet" / "there", rows=10)
    assert load_truth(tmp_path / "empty") == load_truth(tmp_path / "not" / "yet" / "there")


def test_the_truth_lists_every_file_that_was_made(demo: Path) -> None:
    made = {name for name, (kind, _content) in snapshot(demo).items() if kind == "file"}
    assert made == set(load_truth(demo).files)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "app.db", "truth.json.part"])
def test_a_folder_with_anything_else_in_it_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    refuse(tmp_path, "not empty")


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "somebody.else/1", "files": []}', "{" * 100_000, "\ud800"])
def test_a_folder_with_somebody_elses_truth_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "truth.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    refuse(tmp_path, "not ours")


@pytest.mark.parametrize(
    "files",
    [["../precious"], ["/etc/passwd"], ["objects/../../precious"], ["app.db\n"], [7], "app.db", None, ["notes.txt"]],
)
def test_a_truth_that_lists_files_the_demo_never_makes_is_refused(tmp_path: Path, files: object) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (tmp_path / "precious").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    (folder / "truth.json").write_text(json.dumps({"schema": "dedupaudit.truth/1", "files": files}))
    refuse(folder, "never makes")
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_demo_is_built_again_and_foreign_files_beside_it_are_left_alone(demo: Path) -> None:
    (demo / "notes.txt").write_text("mine")
    (demo / "logs" / "other.log").write_text("mine")
    (demo / "objects" / "screenshots" / "mine.jpg").write_text("mine")
    (demo / "dedupaudit.toml").write_text("changed")
    truth = build(demo, rows=50, seed=3)
    assert load_truth(demo) == truth
    assert {(demo / name).read_text() for name in ("notes.txt", "logs/other.log", "objects/screenshots/mine.jpg")} == {
        "mine"
    }
    made = {name for name, (kind, _content) in snapshot(demo).items() if kind == "file"}
    assert made - set(truth.files) == {"notes.txt", "logs/other.log", "objects/screenshots/mine.jpg"}
    assert totals(read(demo / "app.db", "activities")) == truth.tables["activities"].model_dump()


def test_a_foreign_file_in_the_way_is_refused_before_anything_changes(demo: Path) -> None:
    names = set(load_truth(demo).files)
    other = build(demo.parent / "other", rows=10, seed=3)
    wanted = next(name for name in other.files if name.endswith(".jpg") and name not in names)
    (demo / wanted).parent.mkdir(exist_ok=True)
    (demo / wanted).write_text("mine")
    before = snapshot(demo)
    with pytest.raises(Refused, match="in the way"):
        build(demo, rows=10, seed=3)
    assert snapshot(demo) == before


@pytest.mark.parametrize("name", ["app.db", "dedupaudit.toml", "logs/backend.log", "truth.json.part"])
def test_a_link_where_a_file_of_ours_was_is_refused(demo: Path, name: str) -> None:
    precious = demo.parent / "precious"
    precious.write_text("mine")
    (demo / name).unlink(missing_ok=True)
    (demo / name).symlink_to(precious)
    refuse(demo, "in the way")
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("name", ["logs", "objects", "objects/screenshots"])
def test_a_link_where_a_folder_of_ours_was_is_refused(demo: Path, name: str) -> None:
    elsewhere = demo.parent / "elsewhere"
    shutil.move(demo / name, elsewhere)
    (demo / name).symlink_to(elsewhere, target_is_directory=True)
    before = snapshot(elsewhere)
    refuse(demo, "link or a file")
    assert snapshot(elsewhere) == before


def test_a_truth_that_is_a_link_marks_nothing(demo: Path) -> None:
    (demo / "truth.json").rename(demo.parent / "truth.json")
    (demo / "truth.json").symlink_to(demo.parent / "truth.json")
    refuse(demo, "did not make")


def test_a_hard_link_to_a_file_of_ours_keeps_its_content(demo: Path) -> None:
    backup = demo.parent / "backup.toml"
    os.link(demo / "dedupaudit.toml", backup)
    backup.write_text("mine")
    build(demo, rows=10)
    assert backup.read_text() == "mine"


def test_a_link_that_the_user_names_as_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    truth = build(tmp_path / "link", rows=10)
    assert load_truth(tmp_path / "real") == truth


def test_a_file_that_appears_while_the_demo_is_built_is_not_overwritten(tmp_path: Path) -> None:
    folder = DemoFolder.check(tmp_path / "demo", ["dedupaudit.toml", "truth.json"])
    folder.begin()
    (tmp_path / "demo" / "dedupaudit.toml").write_text("mine")
    with pytest.raises(Refused, match="appeared"):
        folder.write("dedupaudit.toml", b"ours")
    assert (tmp_path / "demo" / "dedupaudit.toml").read_text() == "mine"


def test_a_folder_that_became_a_link_while_the_demo_is_built_is_not_written_through(tmp_path: Path) -> None:
    folder = DemoFolder.check(tmp_path / "demo", ["logs/backend.log", "truth.json"])
    folder.begin()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "demo" / "logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="is a link"):
        folder.write("logs/backend.log", b"ours")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_instead_of_a_folder_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="file") as caught:
            build(path, rows=10)
        assert caught.value.hint
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_that_no_folder_can_have_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / ("x" * 300), tmp_path / "loop" / "demo", tmp_path / "a\0b"):
        with pytest.raises(UsageError, match="cannot be a demo's folder"):
            build(path, rows=10)


KILLED = """
import os, signal, sys, pathlib
from dedupaudit.demo import build, files

step, number = sys.argv[2], int(sys.argv[3])
calls = 0

def killing(original):
    def wrapped(*arguments, **named):
        global calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)
    return wrapped

if step == "open":
    files._open_new = killing(files._open_new)
elif step == "write":
    os.fdopen = killing(os.fdopen)
elif step == "replace":
    pathlib.Path.replace = killing(pathlib.Path.replace)
else:
    pathlib.Path.unlink = killing(pathlib.Path.unlink)
build(pathlib.Path(sys.argv[1]), rows=10, seed=9)
"""


@pytest.mark.parametrize("before", ["nothing", "another demo"])
@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("open", 1),
        ("write", 1),
        ("replace", 1),
        ("open", 2),
        ("write", 4),
        ("open", 30),
        ("unlink", 20),
        ("replace", 2),
    ],
)
def test_a_build_that_was_killed_is_built_again(tmp_path: Path, before: str, step: str, number: int) -> None:
    folder = tmp_path / "demo"
    if before == "another demo":
        build(folder, rows=40, seed=2)
    elif step == "unlink":
        number = 3
    command = [sys.executable, "-c", KILLED, str(folder), step, str(number)]
    killed = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=False, cwd=tmp_path)
    assert killed.returncode == -9
    truth = build(folder, rows=10, seed=4)
    made = {name for name, (kind, _content) in snapshot(folder).items() if kind == "file"}
    assert made == set(truth.files)
    assert totals(read(folder / "app.db", "screenshots")) == truth.tables["screenshots"].model_dump()


def test_a_build_that_did_not_finish_has_no_truth_yet(tmp_path: Path) -> None:
    DemoFolder.check(tmp_path / "demo", ["app.db", "truth.json"]).begin()
    with pytest.raises(UsageError, match="did not finish"):
        load_truth(tmp_path / "demo")


def test_what_sqlite_left_beside_a_demos_database_does_not_reach_the_next_one(demo: Path) -> None:
    (demo / "app.db-wal").write_bytes(b"stale")
    (demo / "app.db-journal").write_bytes(b"stale")
    build(demo, rows=10)
    assert not (demo / "app.db-wal").exists()
    assert not (demo / "app.db-journal").exists()


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.ENOSPC, OutputError, "in full"),
        (errno.EACCES, OutputError, "cannot be written"),
        (errno.EROFS, OutputError, "cannot be written"),
    ],
)
def test_a_failure_of_the_system_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception], says: str
) -> None:
    def fail(path: Path) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("dedupaudit.demo.files._open_new", fail)
    with pytest.raises(error, match=says) as caught:
        build(tmp_path / "demo", rows=10)
    assert isinstance(caught.value, OutputError)
    assert caught.value.hint
    assert str(tmp_path) in caught.value.message


FULL = """
import resource, signal, sys, pathlib
from dedupaudit.demo import build
from dedupaudit.errors import OutputError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    build(pathlib.Path(sys.argv[1]), rows=3_000)
except OutputError as error:
    print(error.message)
"""


@pytest.mark.parametrize(("limit", "file"), [(100_000, "app.db"), (10_000, "truth.json")])
def test_a_full_disk_is_explained_and_the_demo_can_be_built_again(tmp_path: Path, limit: int, file: str) -> None:
    folder = tmp_path / "demo"
    command = [sys.executable, "-c", FULL, str(folder), str(limit)]
    full = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert file in full.stdout
    assert "could not be written in full" in full.stdout
    assert build(folder, rows=10) == load_truth(folder)


LOCKED = """
import os, sys, pathlib
from dedupaudit.demo import build
from dedupaudit.errors import OutputError

if os.geteuid() == 0:  # root may write anywhere
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    build(pathlib.Path(sys.argv[1]), rows=10)
except OutputError as error:
    print(error.message, error.hint)
"""


def test_a_folder_that_may_not_be_written_is_explained() -> None:
    # Not below tmp_path, which another user may not even look into.
    with tempfile.TemporaryDirectory() as name:
        locked = Path(name)
        locked.chmod(0o555)
        command = [sys.executable, "-c", LOCKED, str(locked / "demo")]
        done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True)
        assert "cannot be written" in done.stdout
        assert "choose a folder" in done.stdout
        assert list(locked.iterdir()) == []
