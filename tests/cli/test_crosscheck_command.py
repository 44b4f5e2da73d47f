"""`crosscheck` as a user and a cron job run it: a process, an SQLite file, and a folder or a bucket of the fake OSS."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.checks import OBJECT_CHECKS
from tests.cli.reading import report_of, said, statuses, strict_json, validator
from tests.conftest import Completed, Run
from tests.crosscheck.scene import (
    CONTENT,
    Folder,
    OssBucket,
    Pictures,
    Row,
    database,
    found,
    oss_env,
    picture,
    rows,
)
from tests.oss.objects import stored
from tests.oss.server import FakeOss

NAMES = {check.name for check in OBJECT_CHECKS}


@pytest.fixture(params=["folder", "bucket"])
def pictures(request: pytest.FixtureRequest, oss: FakeOss, tmp_path: Path) -> Pictures:
    return Folder(tmp_path / "objects") if request.param == "folder" else OssBucket(oss)


@pytest.fixture
def bucket(oss: FakeOss) -> OssBucket:
    return OssBucket(oss)


def crosscheck(run: Run, pictures: Pictures, db: Path, *more: str, **env: str) -> Completed:
    arguments = ["crosscheck", "--db", f"sqlite:///{db}", *pictures.arguments(), "-f", "json", *more]
    return run(*arguments, env={**pictures.env(), **env})


def store_of(report: dict[str, Any]) -> dict[str, Any]:
    (totals,) = report["summary"]["objects"].values()
    return dict(totals)


# ---- exit codes and the report


def test_rows_and_objects_that_fit_are_0(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    for number in range(5):
        pictures.put(picture(number))
    done = crosscheck(run, pictures, database(tmp_path / "app.db", rows(*range(5))))
    report = report_of(done)
    assert (done.code, report["complete"], report["findings"]) == (0, True, [])
    assert report["summary"]["by_check"] == dict.fromkeys(NAMES, 0)
    totals = store_of(report)
    assert (totals["rows"], totals["objects"], totals["bytes"]) == (5, 5, 5 * len(CONTENT))
    assert {name: totals[name] for name in NAMES} == dict.fromkeys(NAMES, 0)
    assert list(report["summary"]["objects"]) == [pictures.shown]


def damaged(pictures: Pictures, tmp_path: Path) -> Path:
    """Make one of each damage that both kinds of store can have."""
    for number in (*range(2, 10), 99):
        pictures.put(picture(number))
    return database(
        tmp_path / "app.db",
        [
            *rows(*range(1, 7)),
            Row("resized", picture(7), size=1),
            Row("early", picture(8), status="pending"),
            Row("one", picture(9)),
            Row("two", picture(9)),
            Row("lost", picture(1000), status="abandoned"),
            Row("strayed", picture(6), url="https://x.oss-cn-hangzhou.aliyuncs.com/other.jpg"),
        ],
    )


def test_damage_is_1_each_under_its_name(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    done = crosscheck(run, pictures, damaged(pictures, tmp_path))
    report = report_of(done)
    assert done.code == 1
    assert found(report, "missing_object") == {"s00001"}
    assert found(report, "missing_object", "unknown") == {"lost"}
    assert found(report, "orphan_object") == {picture(99)}
    assert found(report, "size_mismatch") == {"resized"}
    assert found(report, "unexpected_object") == {"early"}
    assert found(report, "shared_object") == {picture(6), picture(9)}
    assert found(report, "misplaced_object") == {"strayed"}
    assert report["summary"]["findings"] == 8
    totals = store_of(report)
    assert totals["orphan_bytes"] == len(CONTENT)
    assert {name: totals[name] for name in NAMES} == report["summary"]["by_check"]
    assert {row["strategy"] for row in report["coverage"]} == {"file" if "file" in pictures.shown else "listing"}
    assert set(statuses(report).values()) == {"checked"}


def test_fail_on_and_exit_zero_are_obeyed_and_unknown_never_ends_in_0(
    run: Run, pictures: Pictures, tmp_path: Path
) -> None:
    db = damaged(pictures, tmp_path)
    codes = {
        "low": crosscheck(run, pictures, db, "--fail-on", "low").code,
        "none": crosscheck(run, pictures, db, "--fail-on", "none").code,
        "zero": crosscheck(run, pictures, db, "--exit-zero").code,
        "sure": crosscheck(run, pictures, db, "--exit-zero", "--skip-check", "missing_object").code,
    }
    assert codes == {"low": 1, "none": 3, "zero": 3, "sure": 0}


def test_an_orphan_alone_does_not_fail_on_high(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    pictures.put(picture(1))
    pictures.put(picture(2))
    db = database(tmp_path / "app.db", rows(1))
    assert crosscheck(run, pictures, db, "--fail-on", "high").code == 0
    assert crosscheck(run, pictures, db, "--fail-on", "medium").code == 1


def test_etags_and_leftovers_are_known_of_a_bucket_alone(run: Run, bucket: OssBucket, tmp_path: Path) -> None:
    right = stored(b"right").etag
    bucket.put(picture(1), b"right")
    bucket.put(picture(2), b"wrong")
    bucket.put(picture(4), b"right")
    bucket.server.bucket.put(picture(3), stored(b"parts", 1_767_225_600)._replace(kind="Multipart"))
    bucket.server.bucket.leave_upload("screenshots/left.jpg", [100, 23], initiated=1_767_225_600)
    etags = [right, right, right, "not an MD5"]
    made = [Row(f"s{n}", picture(n), etag=etag) for n, etag in enumerate(etags, 1)]
    report = report_of(crosscheck(run, bucket, database(tmp_path / "app.db", made)))
    assert found(report, "etag_mismatch") == {"s2"}
    assert found(report, "multipart_leftover") == {"screenshots/left.jpg"}
    assert store_of(report)["multipart_bytes"] == 123
    assert report["summary"]["findings"] == 2


def test_what_is_young_is_in_grace_and_0(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    pictures.put(picture(1))
    pictures.put(picture(2))
    db = database(tmp_path / "app.db", [*rows(1), Row("new", picture(3), at="2999-01-01T00:00:00Z")])
    done = crosscheck(run, pictures, db, "--grace", "36500d")
    report = report_of(done)
    assert done.code == 0
    assert found(report, "missing_object", "in_grace") == {"new"}
    assert found(report, "orphan_object", "in_grace") == {picture(2)}
    assert store_of(report)["requests"]["head"] == 0


# ---- streams


def test_stdout_is_the_report_alone_and_the_announcement_is_on_stderr(
    run: Run, bucket: OssBucket, tmp_path: Path
) -> None:
    bucket.put(picture(1))
    db = database(tmp_path / "app.db", rows(1))
    done = crosscheck(run, bucket, db)
    strict_json(done.out)
    message = said(done)
    assert message.startswith("dedupaudit: oss://pictures/screenshots/: about 2 LIST (billed like PUT)")
    assert "at most one HEAD for each suspect" in message
    assert len(message.splitlines()) == 1
    quiet = crosscheck(run, bucket, db, "-q")
    assert (quiet.code, quiet.err) == (0, b"")
    report_of(quiet)


@pytest.mark.parametrize("form", ["terminal", "json"])
def test_the_report_goes_to_a_file_where_one_is_named(run: Run, pictures: Pictures, tmp_path: Path, form: str) -> None:
    db = damaged(pictures, tmp_path)
    done = crosscheck(run, pictures, db, "-f", form, "-o", "report.out")
    assert (done.code, done.out) == (1, b"")
    text = (tmp_path / "report.out").read_text()
    assert picture(99) in text
    if form == "terminal":
        again = run("crosscheck", "--db", f"sqlite:///{db}", *pictures.arguments(), env=pictures.env())
        assert picture(99) in again.out.decode()


def test_the_report_is_valid_by_the_schema_that_the_program_prints(
    run: Run, pictures: Pictures, tmp_path: Path
) -> None:
    schema = run("schema", "report").json()
    report = report_of(crosscheck(run, pictures, damaged(pictures, tmp_path)))
    type(validator())(schema).validate(report)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_every_finding_is_streamed_to_a_file(run: Run, pictures: Pictures, tmp_path: Path, ending: str) -> None:
    db = damaged(pictures, tmp_path)
    target = tmp_path / f"all.{ending}"
    done = crosscheck(run, pictures, db, "--findings", str(target), "--max-findings", "1")
    report = report_of(done)
    assert (done.code, len(report["findings"]), report["truncated"]) == (1, 1, True)
    if ending == "jsonl":
        written = [strict_json(line)["check"] for line in target.read_bytes().splitlines()]
    elif ending == "csv":
        written = [line["check"] for line in csv.DictReader(io.StringIO(target.read_text()))]
    else:
        import duckdb

        with duckdb.connect() as connection:
            query = connection.execute('SELECT "check" FROM read_parquet(?)', [str(target)])
            written = [name for (name,) in query.fetchall()]
    assert {name: written.count(name) for name in NAMES} == report["summary"]["by_check"]


# ---- what is checked, and by which settings


@pytest.mark.parametrize("name", sorted(NAMES))
def test_one_check_alone(run: Run, pictures: Pictures, tmp_path: Path, name: str) -> None:
    db = damaged(pictures, tmp_path)
    every = report_of(crosscheck(run, pictures, db))
    alone = report_of(crosscheck(run, pictures, db, "--check", name))
    assert list(alone["summary"]["by_check"]) == [name]
    assert {row["check"] for row in alone["coverage"]} == {name}
    fingerprints = {one["fingerprint"] for one in every["findings"] if one["check"] == name}
    assert {one["fingerprint"] for one in alone["findings"]} == fingerprints


def test_skipped_checks_are_not_in_the_totals(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    db = damaged(pictures, tmp_path)
    report = report_of(crosscheck(run, pictures, db, "--skip-check", "missing_object", "--skip-check", "orphan_object"))
    assert set(report["summary"]["by_check"]) == NAMES - {"missing_object", "orphan_object"}
    assert not NAMES - set(report["summary"]["by_check"]) & {key for key, n in store_of(report).items() if n}


def test_the_store_comes_from_the_configuration_and_the_flag_goes_before_it(
    run: Run, bucket: OssBucket, tmp_path: Path
) -> None:
    server = bucket.server
    for key in (picture(1), picture(2), "screenshots/_thumbnails/2.jpg", "screenshots/used.jpg"):
        bucket.put(key)
    db = database(tmp_path / "app.db", [Row("s00001"), Row("s00002", picture(2))])
    (tmp_path / "dedupaudit.toml").write_text(
        f'[database]\nurl = "sqlite:///{db}"\n[objects]\nurl = "oss://pictures/screenshots/"\n'
        f'endpoint = "{server.endpoint}"\nregion = "{server.region}"\ntemplate = "screenshots/{{id}}.jpg"\n'
        'grace = "2h"\nprotect = ["screenshots/_thumbnails/"]\nalso_referenced = ["SELECT \'screenshots/used.jpg\'"]\n'
        'threads = 1\nmax_missing = "100%"\nqps = 1000\ncredentials = "environment"\n'
    )
    report = report_of(run("crosscheck", "-f", "json", env=oss_env()))
    assert found(report, "missing_object") == {"s00001"}
    assert found(report, "misplaced_object") == {"s00002"}
    assert found(report, "orphan_object") == {picture(1)}
    flagged = report_of(run("crosscheck", "-f", "json", "--template", "screenshots/0000{device_id}.jpg", env=oss_env()))
    assert found(flagged, "misplaced_object") == {"s00002"}
    assert "0000d1.jpg" in json.dumps(flagged["findings"])


def test_the_store_comes_from_the_environment(run: Run, bucket: OssBucket, tmp_path: Path) -> None:
    bucket.put(picture(1))
    db = database(tmp_path / "app.db", rows(1, 2))
    env = {
        "DEDUPAUDIT_DB": f"sqlite:///{db}",
        "DEDUPAUDIT_OBJECTS": "oss://pictures/screenshots/",
        "DEDUPAUDIT_OSS_ENDPOINT": bucket.server.endpoint,
        "DEDUPAUDIT_OSS_REGION": bucket.server.region,
        "DEDUPAUDIT_FORMAT": "json",
        "DEDUPAUDIT_MAX_MISSING": "60%",
        **oss_env(),
    }
    report = report_of(run("crosscheck", env=env))
    assert found(report, "missing_object") == {"s00002"}


@pytest.mark.parametrize("signature", ["v4", "v1"])
def test_both_signatures_and_a_file_of_keys(run: Run, bucket: OssBucket, tmp_path: Path, signature: str) -> None:
    bucket.put(picture(1))
    keys = oss_env()
    (tmp_path / "keys.json").write_text(
        json.dumps({"AccessKeyId": keys["OSS_ACCESS_KEY_ID"], "AccessKeySecret": keys["OSS_ACCESS_KEY_SECRET"]})
    )
    db = database(tmp_path / "app.db", rows(1))
    arguments = ["crosscheck", "--db", f"sqlite:///{db}", *bucket.arguments(), "-f", "json"]
    done = run(*arguments, "--credentials", "file:keys.json", "--signature", signature)
    assert (done.code, report_of(done)["complete"]) == (0, True)


# ---- several databases and tables


def test_rows_of_every_shard_refer_to_the_one_store(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    for number in range(1, 6):
        pictures.put(picture(number))
    first = database(tmp_path / "a.db", rows(1, 2, 100))
    second = database(tmp_path / "b.db", rows(3, 4))
    arguments = ["--db", f"a=sqlite:///{first}", "--db", f"b=sqlite:///{second}", *pictures.arguments()]
    done = run("crosscheck", *arguments, "-f", "json", env=pictures.env())
    report = report_of(done)
    assert done.code == 1
    assert found(report, "orphan_object") == {picture(5)}
    assert [(one["source"], one["key"]) for one in report["findings"] if one["check"] == "missing_object"] == [
        ("a", {"id": "s00100"})
    ]
    assert store_of(report)["rows"] == 5


def test_a_shard_that_cannot_be_read_leaves_no_orphan(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    for number in range(1, 5):
        pictures.put(picture(number))
    first = database(tmp_path / "a.db", rows(1, 2, 100))
    arguments = ["--db", f"a=sqlite:///{first}", "--db", "b=sqlite:///nowhere.db", *pictures.arguments()]
    done = run("crosscheck", *arguments, "-f", "json", env=pictures.env())
    report = report_of(done)
    assert done.code == 1
    assert not report["complete"]
    assert found(report, "orphan_object") == set()
    assert found(report, "orphan_object", "unknown") == {picture(3), picture(4)}
    assert found(report, "missing_object") == {"s00100"}
    assert statuses(report)[f"objects.{pictures.shown}.orphan_object"] == "failed"


def test_tables_that_are_not_named_refer_all_the_same(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    for number in range(1, 5):
        pictures.put(picture(number))
    db = database(tmp_path / "app.db", rows(1, 100))
    database(db, rows(2, 200), "activities")
    report = report_of(crosscheck(run, pictures, db, "screenshots"))
    assert found(report, "missing_object") == {"s00100"}
    assert found(report, "orphan_object") == {picture(3), picture(4)}
    assert {row["target"] for row in report["coverage"]} == {"screenshots", pictures.shown}


def test_where_limits_what_is_judged_and_not_what_refers(run: Run, pictures: Pictures, tmp_path: Path) -> None:
    for number in range(1, 4):
        pictures.put(picture(number))
    db = database(tmp_path / "app.db", [*rows(1, 2, 100), Row("d2", picture(200), device="d2")])
    (tmp_path / "dedupaudit.toml").write_text("[tables.screenshots]\nwhere = \"device_id = 'd2'\"\n")
    report = report_of(crosscheck(run, pictures, db, "--max-missing", "100%"))
    assert found(report, "missing_object") == {"d2"}
    assert found(report, "orphan_object") == {picture(3)}
