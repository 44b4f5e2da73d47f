"""`crosscheck` with settings, tables and inventories that cannot be right: the code, the next step, nobody judged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.reading import report_of, said, statuses
from tests.cli.test_crosscheck_bad_store import nothing_judged
from tests.conftest import Completed, Run
from tests.crosscheck.scene import Folder, database, found, oss_arguments, oss_env, picture, rows
from tests.oss.server import DEFAULT, FakeOss
from tests.sources.objects.inventories import COLUMNS, DATA, FOLDER, files_of, md5, row, write, zipped

Check = Callable[..., Completed]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "objects")
    for number in range(6):
        made.put(picture(number))
    return made


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return database(tmp_path / "app.db", rows(*range(5), 7, 8))


@pytest.fixture
def check(run: Run, tmp_path: Path, db: Path) -> Check:
    """Return a function that crosschecks, and sees that no secret is told and no temporary folder stays."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def crosscheck(*arguments: str, env: dict[str, str] | None = None) -> Completed:
        every = ("crosscheck", "--db", f"sqlite:///{db}", "-f", "json", *arguments)
        done = run(*every, env={"TMPDIR": str(temporary), **(env or {})})
        assert os.listdir(temporary) == []
        assert DEFAULT.secret.encode() not in done.out + done.err
        return done

    return crosscheck


def refused(done: Completed, code: int, *words: str) -> None:
    """Assert that the run did not begin, and that it says why and what to do."""
    message = said(done)
    assert (done.code, done.out) == (code, b""), message
    for word in ("hint: ", *words):
        assert word in message


# ---- flags


def test_no_store_is_wrong_usage(check: Check) -> None:
    refused(check(), 2, "no object store is configured", "--objects URL", "--inventory manifest.json")


WRONG = {
    "--qps": ("0", "above 0"),
    "--threads": ("65", "from 1 to 64"),
    "--max-missing": ("most", "between 0% and 100%"),
    "--grace": ("soon", "a number and its unit"),
    "--credentials": ("nobody", "environment, file:PATH or ecs:ROLE"),
    "--signature": ("v2", "it takes v4 or v1"),
    "--inventory": ("nowhere/manifest.json", "there is no inventory"),
    "--objects": ("https://auditor:geheim99@pictures/", "oss://bucket/prefix/"),
    "--oss-endpoint": ("https://auditor:geheim99@host/path", "without a path"),
    "--oss-region": ("CN Hangzhou", "as in cn-hangzhou"),
    "--template": ("screenshots/all.jpg", "columns in braces"),
}


@pytest.mark.parametrize("flag", WRONG)
def test_a_wrong_value_names_its_flag(check: Check, flag: str) -> None:
    value, words = WRONG[flag]
    store = () if flag == "--objects" else ("--objects", "oss://pictures/", "--oss-region", "cn-hangzhou")
    done = check(*store, flag, value, env=oss_env())
    refused(done, 2, words, "OSS endpoint" if flag == "--oss-endpoint" else flag)
    assert b"geheim99" not in done.err


# ---- tables


@pytest.fixture
def keyless(tmp_path: Path, db: Path) -> None:
    """Let no table have a column that has to do with objects."""
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("DROP TABLE screenshots")
        connection.execute("CREATE TABLE screenshots (id TEXT PRIMARY KEY, taken_at TEXT)")
        connection.execute("CREATE TABLE activities (id TEXT PRIMARY KEY)")
        connection.commit()


@pytest.mark.usefixtures("keyless")
def test_a_table_without_a_column_of_objects_is_wrong_usage_where_it_is_named(check: Check, folder: Folder) -> None:
    words = "table screenshots has no column for object keys or URLs", '[tables.screenshots] object_key = "COLUMN"'
    refused(check("screenshots", *folder.arguments()), 2, *words)
    refused(check("screenshots", *folder.arguments(), "--template", "{id}.jpg"), 2, *words, 'status = "COLUMN"')
    nothing = "nothing to check: none of the tables activities, screenshots, processes", '[tables.NAME] object_key = "'
    refused(check(*folder.arguments()), 4, *nothing)


def test_columns_and_tables_that_are_not_there(check: Check, folder: Folder, tmp_path: Path) -> None:
    done = check(*folder.arguments(), "--template", "screenshots/{devise_id}/{id}.jpg")
    refused(done, 2, "template: table screenshots has no column devise_id", "did you mean device_id?")
    refused(check("shots", *folder.arguments()), 2, "no table shots", "did you mean screenshots?")
    (tmp_path / "dedupaudit.toml").write_text('[tables.screenshots]\nobject_key = "oss_kee"\n')
    refused(check(*folder.arguments()), 2, "tables.screenshots.object_key", "no column oss_kee", "oss_key")


def test_rows_that_nobody_could_read_are_not_0_rows(run: Run, tmp_path: Path, folder: Folder) -> None:
    store = ("--objects", f"file://{tmp_path}/objects")
    done = run("crosscheck", "--db", "sqlite:///none.db", *store, "-f", "json")
    (summary,) = report_of(done)["summary"]["objects"].values()
    assert (done.code, summary["rows"], summary["objects"]) == (3, None, 6)
    page = run("crosscheck", "--db", "sqlite:///none.db", *store, "-f", "html").out.decode()
    assert "<b>0</b> findings" not in page


def test_a_template_that_no_row_follows_is_a_wrong_template(check: Check, folder: Folder, db: Path) -> None:
    """Otherwise every row would be called misplaced; what the objects themselves tell is told."""
    for number in range(10, 23):
        folder.put(picture(number))
    database(db, rows(*range(10, 23)))
    done = check(*folder.arguments(), "--template", "pictures/{device_id}/{id}.png")
    report = report_of(done)
    assert (done.code, report["complete"]) == (1, False)
    assert found(report, "misplaced_object") == set()
    assert found(report, "missing_object") == {"s00007", "s00008"}
    failed = {name for name, status in statuses(report).items() if status != "checked"}
    assert failed == {"db.screenshots.misplaced_object"}
    message = said(done)
    for word in ("none of 20 rows has the key", picture(0), "pictures/d1/s00000.png", "Correct --template"):
        assert word in message
    alone = check(*folder.arguments(), "--template", "pictures/{id}.png", "--check", "misplaced_object")
    assert (alone.code, report_of(alone)["findings"]) == (3, [])


def test_a_template_that_names_no_object_judges_nobody(check: Check, folder: Folder, db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("UPDATE screenshots SET oss_key = NULL")
        connection.commit()
    done = check(*folder.arguments(), "--template", "pictures/{id}.png")
    nothing_judged(done, "7 of 7 rows miss their object", "wrong bucket, prefix, template or database", "--max-missing")


# ---- too little in the store


def test_an_empty_folder_and_one_that_is_not_there(check: Check, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    url = f"file://{tmp_path}"
    nothing_judged(check("--objects", f"{url}/empty"), f"{url}/empty is empty, and 7 rows name objects", "wrong bucket")
    nothing_judged(check("--objects", f"{url}/nowhere"), f"there is no folder {url}/nowhere", "check the URL")


def test_an_empty_prefix_and_more_missing_than_allowed(check: Check, oss: FakeOss) -> None:
    for number in range(3):
        oss.bucket.put(picture(number), b"x", 1_767_225_600)
    wrong = check(*oss_arguments(oss, "oss://pictures/screenshot/"), env=oss_env())
    nothing_judged(wrong, "oss://pictures/screenshot/ is empty, and 7 rows name objects", "wrong bucket, prefix")
    many = check(*oss_arguments(oss), env=oss_env())
    nothing_judged(many, "4 of 7 rows miss their object", "more than --max-missing allows (50%)", "allow more by")
    assert oss.counts["head"] == 0
    allowed = check(*oss_arguments(oss), "--max-missing", "60%", env=oss_env())
    assert found(report_of(allowed), "missing_object") == {"s00003", "s00004", "s00007", "s00008"}


# ---- inventories

LINES = [[row(picture(number)) for number in part] for part in (range(3), range(3, 6))]
USUAL = files_of(LINES, COLUMNS)


def of_one(raw: bytes) -> dict[str, bytes]:
    """Return the files of an inventory whose only data file has these bytes, checksum and all."""
    key = f"{DATA}/0.csv.gz"
    listed = [{"MD5checksum": md5(raw), "key": key, "size": len(raw)}]
    return {**files_of([], COLUMNS, files=listed), key: raw}


BROKEN: dict[str, tuple[dict[str, bytes], tuple[str, ...]]] = {
    "checksum": (
        USUAL | {f"{FOLDER}/manifest.checksum": b"0" * 32},
        ("is not what its manifest.checksum says", "take another inventory"),
    ),
    "data checksum": (
        USUAL | {f"{DATA}/1.csv.gz": zipped(LINES[0])},
        (f"{DATA}/1.csv.gz", "is not what the manifest says", "take another inventory"),
    ),
    "no data file": (
        {name: raw for name, raw in USUAL.items() if name != f"{DATA}/1.csv.gz"},
        (f"is missing: {DATA}/1.csv.gz", "copy the inventory's data/ folder"),
    ),
    "no column": (
        files_of(LINES, ["StorageClass" if name == "Size" else name for name in COLUMNS]),
        ("has no column Size", "the inventory's fields"),
    ),
    "no key": (
        files_of(LINES, ["StorageClass" if name == "Key" else name for name in COLUMNS]),
        ("has no column Key", "take another inventory"),
    ),
    "not JSON": ({f"{FOLDER}/manifest.json": b"<html>"}, ("it is not JSON", "name its manifest.json")),
    "cut": (of_one(zipped(LINES[0])[:60]), ("cannot be read", "take another inventory")),
    "no number": (
        of_one(zipped([[*row("a")[:2], "many", *row("a")[3:]]])),
        ("cannot be read", "many", "take another inventory"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_inventory_judges_nobody(check: Check, tmp_path: Path, name: str) -> None:
    files, words = BROKEN[name]
    nothing_judged(check("--inventory", write(tmp_path / "lists", files)), *words)


def test_a_broken_inventory_is_not_made_good_by_the_bucket(check: Check, tmp_path: Path, oss: FakeOss) -> None:
    manifest = write(tmp_path / "lists", BROKEN["checksum"][0])
    done = check("--inventory", manifest, *oss_arguments(oss), env=oss_env())
    report = nothing_judged(done, "is not what its manifest.checksum says")
    assert list(report["summary"]["objects"]) == ["oss://pictures/screenshots/"]
    assert not oss.log


def test_a_broken_inventory_is_no_excuse_for_wrong_usage(check: Check, tmp_path: Path) -> None:
    manifest = write(tmp_path / "lists", BROKEN["checksum"][0])
    refused(check("shots", "--inventory", manifest), 2, "no table shots")


def test_a_broken_inventory_leaves_an_audit_what_the_tables_tell(run: Run, tmp_path: Path, db: Path) -> None:
    manifest = write(tmp_path / "lists", BROKEN["checksum"][0])
    done = run("audit", "--db", f"sqlite:///{db}", "--inventory", manifest, "-f", "json", "--fail-on", "none")
    report = report_of(done)
    assert (done.code, report["complete"]) == (3, False)
    became = statuses(report)
    assert became["db.screenshots.duplicate_ids"] == "checked"
    assert became["db.screenshots.missing_object"] == "failed"


def test_an_inventory_of_another_bucket(check: Check, tmp_path: Path, oss: FakeOss) -> None:
    manifest = write(tmp_path / "lists", files_of(LINES, COLUMNS, sourceBucket="elsewhere"))
    done = check("--inventory", manifest, *oss_arguments(oss), env=oss_env())
    refused(done, 2, "the inventory is of bucket elsewhere, and --objects names pictures", "name the bucket")


def test_an_inventory_in_a_bucket_that_is_not_there_or_not_whole(check: Check, oss: FakeOss) -> None:
    at = ("--oss-endpoint", oss.endpoint, "--oss-region", oss.region, "--inventory")
    lists = oss.add_bucket("lists")
    for key, raw in BROKEN["no data file"][0].items():
        lists.put(key, raw, 1_767_225_600)
    nothing_judged(
        check(*at, "oss://lists/nowhere/manifest.json", env=oss_env()), "there is no inventory", "--inventory oss://"
    )
    nothing_judged(check(*at, "oss://other/manifest.json", env=oss_env()), "there is no bucket other", "check the name")
    whole = check(*at, f"oss://lists/{FOLDER}/manifest.json", env=oss_env())
    nothing_judged(whole, f"is missing: {DATA}/1.csv.gz", "copy the inventory's data/ folder")


def test_an_inventory_alone_calls_nothing_missing(check: Check, tmp_path: Path) -> None:
    """There is nothing to look at again: what it lacks is `unknown`."""
    done = check("--inventory", write(tmp_path / "lists", USUAL), "--check", "missing_object")
    report = report_of(done)
    assert (done.code, report["complete"]) == (3, False)
    assert found(report, "missing_object") == set()
    assert found(report, "missing_object", "unknown") == {"s00007", "s00008"}
