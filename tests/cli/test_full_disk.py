"""A full disk: what a sort spills, and what is written there. The disk is a tmpfs of a megabyte, in a namespace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.launching import PROGRAM, with_checkout
from tests.cli.reading import report_of, said, statuses
from tests.conftest import Completed

OnSmallDisk = Callable[..., Completed]

# Whoever may not mount (a user, or root in a container) may in a namespace of users of its own.
_NAMESPACES = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
_SCRIPT = (
    'mount -t tmpfs -o size=1m tmpfs "$1" || exit 99; disk=$1; shift; "$@"; code=$?; ls -A "$disk" >&2; exit $code'
)


@pytest.fixture(scope="session")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    disk = str(tmp_path_factory.mktemp("disk"))
    refusals = []
    for prefix in _NAMESPACES:
        try:
            tried = subprocess.run(
                [*prefix, "sh", "-c", _SCRIPT, "sh", disk, "true"], capture_output=True, timeout=60, check=False
            )
        except FileNotFoundError as error:
            refusals.append(str(error))
            continue
        if tried.returncode == 0:
            return prefix
        refusals.append(tried.stderr.decode(errors="replace").strip())
    reason = f"no small disk can be made here, as root or in a user namespace: {'; '.join(refusals)}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def on_small_disk(namespace: list[str], clean_env: dict[str, str], tmp_path: Path) -> OnSmallDisk:
    """Return a function that runs the program beside `tmp_path/disk`, a disk of a megabyte; its files end stderr."""
    (tmp_path / "disk").mkdir()

    def run_there(*arguments: str, **env: str) -> Completed:
        command = [*namespace, "sh", "-c", _SCRIPT, "sh", str(tmp_path / "disk"), *PROGRAM, *arguments]
        done = subprocess.run(
            command,
            env={**with_checkout(clean_env), **env},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Completed(done.returncode, done.stdout, done.stderr)

    return run_there


def test_a_sort_that_cannot_spill_is_3_and_never_clean(on_small_disk: OnSmallDisk, tmp_path: Path, large: Path) -> None:
    arguments = ("scan", "--db", f"sqlite:///{large}", "--check", "duplicate_ids", "-f", "json")
    done = on_small_disk(*arguments, SQLITE_TMPDIR=str(tmp_path / "disk"))
    report = report_of(done)
    assert done.code == 3
    assert statuses(report) == {"db.activities.duplicate_ids": "failed"}
    assert not report["complete"]
    assert report["summary"]["tables"]["db.activities"]["duplicate_ids"] is None
    message = said(done)
    assert "disk for temporary files is full" in message
    assert "SQLITE_TMPDIR" in message


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_findings_file_that_does_not_fit_is_3_and_leaves_nothing(
    on_small_disk: OnSmallDisk, large: Path, ending: str
) -> None:
    arguments = ("scan", "--db", f"sqlite:///{large}", "--check", "duplicate_ids")
    done = on_small_disk(*arguments, "--findings", f"disk/all.{ending}")
    assert done.code == 3
    lines = said(done).splitlines()
    assert "could not be written in full: No space left on device" in lines[0]
    assert len(lines) == 2, "a file was left on the disk"


def test_a_report_that_does_not_fit_is_3_and_leaves_nothing(on_small_disk: OnSmallDisk, large: Path) -> None:
    arguments = ("scan", "--db", f"sqlite:///{large}", "--check", "duplicate_ids", "--max-findings", "5000")
    done = on_small_disk(*arguments, "-f", "json", "-o", "disk/report.json")
    assert done.code == 3
    lines = said(done).splitlines()
    assert "disk/report.json could not be written in full" in lines[0]
    assert len(lines) == 2, "a file was left on the disk"
