"""What `crosscheck` asks a bucket, counted at the server as well: requests are billed."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest

from tests.cli.reading import report_of, said
from tests.cli.test_crosscheck_command import bucket, crosscheck, store_of
from tests.conftest import Run
from tests.crosscheck.scene import Folder, OssBucket, database, found, picture, rows
from tests.oss.server import FakeOss

__all__ = ["bucket"]


@pytest.mark.parametrize("objects", [1, 999, 1000, 1001, 2500])
def test_one_range_costs_a_list_a_page_and_one_before(
    run: Run, bucket: OssBucket, tmp_path: Path, objects: int
) -> None:
    server = bucket.server
    server.bucket.fill(picture(number) for number in range(objects))
    present = rows(*range(0, objects - 3)) if objects > 3 else rows(0)
    missing = rows(*range(90_000, 90_003)) if objects > 3 else []
    db = database(tmp_path / "app.db", present + missing)
    done = crosscheck(run, bucket, db, "--threads", "1")
    report = report_of(done)
    suspects = report["summary"]["findings"]
    assert suspects == (6 if objects > 3 else 0)
    requests = store_of(report)["requests"]
    assert requests["list"] == server.counts["list"] == ceil(objects / 1000) + 1
    assert requests["head"] == server.counts["head"] <= suspects
    assert requests["other"] == sum(server.counts.values()) - requests["list"] - requests["head"]


def test_no_object_is_looked_at_more_than_once_and_none_that_is_no_suspect(
    run: Run, bucket: OssBucket, tmp_path: Path
) -> None:
    server = bucket.server
    server.bucket.fill(picture(number) for number in range(100))
    db = database(tmp_path / "app.db", rows(*range(3, 103)))
    report = report_of(crosscheck(run, bucket, db))
    looked = [entry.key for entry in server.log if entry.kind == "head"]
    assert sorted(looked) == [picture(number) for number in (0, 1, 2, 100, 101, 102)]
    assert found(report, "missing_object") == {"s00100", "s00101", "s00102"}


def test_dense_suspects_are_listed_again_and_not_looked_at_one_by_one(
    run: Run, bucket: OssBucket, tmp_path: Path
) -> None:
    server = bucket.server
    server.bucket.fill([picture(number) for number in range(3000)])
    db = database(tmp_path / "app.db", rows(*range(2000, 5000)))
    done = crosscheck(run, bucket, db, "--max-missing", "90%", "--threads", "1", "--max-findings", "9999")
    report = report_of(done)
    assert found(report, "missing_object") == {f"s{number:05}" for number in range(3000, 5000)}
    assert found(report, "orphan_object") == {picture(number) for number in range(2000)}
    assert server.counts["head"] < 100
    assert store_of(report)["requests"]["list"] == server.counts["list"]


def test_a_folder_costs_nothing(run: Run, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "objects")
    folder.put(picture(1))
    done = crosscheck(run, folder, database(tmp_path / "app.db", rows(1, 2)))
    assert store_of(report_of(done))["requests"] == {"list": 0, "head": 0, "other": 0}
    assert not said(done)


def test_split_ranges_tell_the_same_as_one(run: Run, bucket: OssBucket, tmp_path: Path) -> None:
    server = bucket.server
    server.bucket.fill(picture(number) for number in range(50_010))
    db = database(tmp_path / "app.db", rows(*range(10, 50_020)))
    one = report_of(crosscheck(run, bucket, db, "--threads", "1"))
    split = report_of(crosscheck(run, bucket, db, "--threads", "4"))
    assert split["findings"] == one["findings"]
    assert len(one["findings"]) == 20
    assert store_of(split)["requests"]["list"] > store_of(one)["requests"]["list"]


def test_an_endpoint_is_needed_by_no_folder(run: Run, tmp_path: Path, oss: FakeOss) -> None:
    """What the environment says of OSS does not matter where a folder is named."""
    folder = Folder(tmp_path / "objects")
    folder.put(picture(1))
    db = database(tmp_path / "app.db", rows(1))
    done = crosscheck(run, folder, db, DEDUPAUDIT_OSS_ENDPOINT=oss.endpoint, DEDUPAUDIT_OSS_REGION="cn-hangzhou")
    assert done.code == 0
    assert not oss.log
