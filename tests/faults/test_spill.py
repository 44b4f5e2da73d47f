"""A disk too small for what the snapshot engine spills: incomplete, never clean, and nothing left on it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.reading import report_of, said, statuses
from tests.cli.test_full_disk import OnSmallDisk, namespace, on_small_disk
from tests.faults.targets import AnyTarget, fill_many, url

__all__ = ["namespace", "on_small_disk"]

ROWS = 300_000  # hashes of which do not fit into a megabyte


def test_a_snapshot_that_does_not_fit_on_the_disk_is_3_and_the_rest_goes_on(
    on_small_disk: OnSmallDisk, tmp_path: Path, target: AnyTarget
) -> None:
    fill_many(target, "activities", ROWS)
    arguments = ["scan", "activities", "-f", "json", "--engine", "snapshot", "--db", url(target)]
    arguments += ["--check", "duplicate_ids", "--check", "null_ids"]
    done = on_small_disk(*arguments, TMPDIR=str(tmp_path / "disk"))
    report = report_of(done)
    assert done.code == 3, done.err
    assert report["complete"] is False
    assert statuses(report) == {"db.activities.duplicate_ids": "failed", "db.activities.null_ids": "checked"}
    assert report["summary"]["tables"]["db.activities"]["duplicate_ids"] is None
    message = said(done)
    assert "temporary files" in message
    assert "TMPDIR" in message
    assert "dedupaudit-" not in message, "a folder was left on the disk"


def test_the_same_disk_is_enough_for_pushdown(on_small_disk: OnSmallDisk, tmp_path: Path, target: AnyTarget) -> None:
    fill_many(target, "activities", ROWS)
    arguments = ["scan", "activities", "-f", "json", "--engine", "pushdown", "--db", url(target)]
    done = on_small_disk(*arguments, "--check", "duplicate_ids", TMPDIR=str(tmp_path / "disk"))
    assert done.code == 1, done.err
    assert report_of(done)["complete"]
