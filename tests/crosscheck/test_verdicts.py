"""Each verdict of crosscheck, on every database against a folder and against OSS."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.building import Outcome
from dedupaudit.config import TableSettings
from tests.crosscheck.shots import (
    DATABASES,
    OLD,
    SCREENSHOTS,
    Bucket,
    Database,
    Folder,
    Objects,
    Shot,
    checked,
    only,
    settings_of,
    verdicts,
)
from tests.oss.server import FakeOss

MD5 = hashlib.md5(b"picture", usedforsecurity=False).hexdigest()
OTHER_MD5 = "0" * 32
YOUNG = time.time() - 60

Hold = Callable[..., Outcome]


@pytest.fixture(params=DATABASES, ids=lambda one: one.name)
def database(request: pytest.FixtureRequest) -> Database:
    made: Database = request.param
    return made


@pytest.fixture(params=["folder", "oss"])
def store(request: pytest.FixtureRequest, tmp_path: Path, oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return Folder(tmp_path / "objects") if request.param == "folder" else Bucket(oss, monkeypatch)


@pytest.fixture
def hold(database: Database, store: Objects, tmp_path: Path) -> Hold:
    """Return a function that holds rows against what was put into the store."""

    def run(
        *shots: Shot,
        tables: Mapping[str, TableSettings] | None = None,
        named: tuple[str, ...] = (),
        others: Mapping[str, list[Shot]] | None = None,
        without: tuple[str, ...] = (),
        **objects: Any,
    ) -> Outcome:
        url = database.create(tmp_path, {"screenshots": shots, **(others or {})}, without)
        return checked(settings_of(url, {**store.settings(), **objects}, tables), *named)

    return run


def test_rows_whose_objects_are_there_are_clean(hold: Hold, store: Objects) -> None:
    store.put("a.jpg")
    store.put("b.jpg")
    found = hold(Shot("1", "a.jpg", size=7, etag=MD5), Shot("2", "b.jpg", size=None, etag=None))
    assert verdicts(found) == {}
    assert found.report.complete
    assert {row.status for row in found.report.coverage} == {"checked"}


def test_a_completed_row_without_its_object_misses_it(hold: Hold, store: Objects) -> None:
    store.put("a.jpg")
    found = hold(
        Shot("1", "a.jpg"),
        Shot("old", "b.jpg", size=11),
        Shot("created", "c.jpg", at=YOUNG),
        Shot("updated", "d.jpg", updated=YOUNG),
        Shot("timeless", "e.jpg", at=None),
        *(Shot(status, f"{status}.jpg", status=status) for status in ("pending", "uploading", "failed")),
        Shot("archived", "f.jpg", status="archived"),
        Shot("Completed", "g.jpg", status="COMPLETED"),
        Shot("without", "h.jpg", status=None),
    )
    assert verdicts(found) == {
        "missing_object": {
            "old": "confirmed",
            "created": "in_grace",
            "updated": "in_grace",
            "timeless": "confirmed",
            "archived": "unknown",
            "Completed": "unknown",
            "without": "unknown",
        }
    }
    assert not found.report.complete
    (totals,) = (found.report.summary.objects or {}).values()
    assert (totals.rows, totals.objects, totals.missing_object, totals.missing_bytes) == (11, 1, 7, 11)


def test_an_object_that_no_row_names_is_an_orphan(hold: Hold, store: Objects) -> None:
    store.put("a.jpg")
    store.put("_dedupaudit/quarantine/1/a.jpg")
    store.put("old.jpg", b"four")
    store.put("young.jpg", b"sixsix", at=YOUNG)
    store.put("thumbs/a.jpg")
    store.put("thumbs.jpg")
    found = hold(Shot("1", "a.jpg"), protect=("thumbs/",))
    assert verdicts(found) == {
        "orphan_object": {"old.jpg": "confirmed", "young.jpg": "in_grace", "thumbs.jpg": "confirmed"}
    }
    (totals,) = (found.report.summary.objects or {}).values()
    assert (totals.orphan_object, totals.orphan_bytes, totals.objects) == (3, 4 + 6 + 7, 5)


def test_where_no_row_names_an_object_no_orphan_is_certain(hold: Hold, store: Objects) -> None:
    store.put("a.jpg")
    store.put("b.jpg", at=YOUNG)
    found = hold(Shot("1"))
    assert verdicts(found) == {"orphan_object": {"a.jpg": "unknown", "b.jpg": "in_grace"}}


def test_an_object_of_another_size_or_content(hold: Hold, store: Objects) -> None:
    for name in ("same", "size", "etag", "grown", "changed", "quoted", "multipart", "pending"):
        store.put(name)
    store.put("written", at=YOUNG)
    found = hold(
        Shot("same", "same", size=7, etag=MD5),
        Shot("quoted", "quoted", etag=f'"{MD5.upper()}"'),
        Shot("multipart", "multipart", etag=MD5 + "-2"),
        Shot("size", "size", size=8),
        Shot("etag", "etag", etag=OTHER_MD5),
        Shot("grown", "grown", size=9, updated=YOUNG),
        Shot("changed", "changed", etag=OTHER_MD5, at=YOUNG),
        Shot("written", "written", size=9, etag=OTHER_MD5),
        Shot("gone", "gone", size=9, etag=OTHER_MD5),
    )
    sizes = {"size": "confirmed", "grown": "in_grace", "written": "in_grace"}
    etags = {"etag": "confirmed", "changed": "in_grace", "written": "in_grace"}
    told = verdicts(found)
    assert told.pop("size_mismatch") == sizes
    assert told.pop("etag_mismatch", {}) == (etags if store.etags else {})
    assert told == {"missing_object": {"gone": "confirmed"}, "orphan_object": {"pending": "confirmed"}}


def test_an_object_of_several_ids_is_shared(hold: Hold, store: Objects) -> None:
    for name in ("a", "b", "c", "d"):
        store.put(name)
    found = hold(
        Shot("1", "a"),
        Shot("2", "a", status="failed"),
        Shot("3", "b", at=YOUNG),
        Shot("4", "b", at=YOUNG),
        Shot("5", "c"),
        Shot("5", "c"),
        Shot("6", "d", at=YOUNG),
        Shot("7", "d"),
        Shot("8", "no object"),
        Shot("9", "no object"),
    )
    told = verdicts(found)
    assert told["shared_object"] == {"a": "confirmed", "b": "in_grace", "d": "confirmed"}
    assert only(found, "shared_object", "a").count == 2


def test_an_object_of_an_upload_that_has_not_ended_is_unexpected(hold: Hold, store: Objects) -> None:
    for name in ("pending", "uploading", "failed", "touched", "twice", "odd"):
        store.put(name)
    store.put("written", at=YOUNG)
    found = hold(
        *(Shot(status, status, status=status) for status in ("pending", "uploading", "failed")),
        Shot("touched", "touched", status="uploading", updated=YOUNG),
        Shot("written", "written", status="uploading"),
        Shot("twice", "twice", status="pending"),
        Shot("twice", "twice", status="completed"),
        Shot("odd", "odd", status="archived"),
    )
    assert verdicts(found) == {
        "unexpected_object": {
            "pending": "confirmed",
            "uploading": "confirmed",
            "failed": "confirmed",
            "touched": "in_grace",
            "written": "in_grace",
        }
    }


def test_duplicate_rows_of_one_id_are_one_finding(hold: Hold, store: Objects) -> None:
    store.put("there")
    store.put("half")
    found = hold(
        Shot("1", "gone", size=5),
        Shot("1", "gone", size=5, at=YOUNG),
        Shot("2", "there", size=1),
        Shot("2", "there", size=2),
        Shot("3", "half"),
        Shot("3", "absent"),
    )
    assert verdicts(found) == {
        "missing_object": {"1": "confirmed", "3": "confirmed"},
        "size_mismatch": {"2": "confirmed"},
    }
    assert only(found, "missing_object", "1").count == 2
    assert only(found, "missing_object", "3").count == 1
    assert only(found, "size_mismatch", "2").count == 2


def test_ids_that_the_database_takes_for_one_are_one(hold: Hold, store: Objects, database: Database) -> None:
    store.put("a")
    store.put("b")
    found = hold(
        Shot("Id", "a"),
        Shot("iD", "a"),
        Shot("Up", "b"),
        Shot("uP", "b"),
        Shot("down", "b"),
        Shot("Lost", "gone"),
        Shot("lOST", "gone too"),
    )
    told = verdicts(found)
    if not database.folds_case:
        assert told["shared_object"] == {"a": "confirmed", "b": "confirmed"}
        assert only(found, "shared_object", "b").count == 3
        assert set(told["missing_object"]) == {"Lost", "lOST"}
        return
    assert told["shared_object"] == {"b": "confirmed"}
    assert only(found, "shared_object", "b").count == 2
    ((_, lost),) = [(one.key, one) for one in found.report.findings if one.check == "missing_object"]
    assert lost.count == 2


def test_where_chooses_who_is_judged_and_all_rows_refer(hold: Hold, store: Objects) -> None:
    store.put("a")
    store.put("b")
    found = hold(
        Shot("1", "a", size=1),
        Shot("2", "b", size=1, device="d2"),
        Shot("3", "gone", device="d2"),
        Shot("4", "b"),
        tables={"screenshots": TableSettings(key=("id",), where="device_id = 'd1'")},
    )
    assert verdicts(found) == {"size_mismatch": {"1": "confirmed"}}


def test_tables_that_were_not_named_refer_all_the_same(hold: Hold, store: Objects) -> None:
    store.put("a")
    store.put("b")
    store.put("c")
    found = hold(
        Shot("1", "a"),
        others={"processes": [Shot("2", "b", size=1), Shot("3", "gone")]},
        tables={"screenshots": SCREENSHOTS, "processes": TableSettings(key=("id",))},
        named=("screenshots",),
    )
    assert verdicts(found) == {"orphan_object": {"c": "confirmed"}}


def test_all_tables_are_judged_where_none_is_named(hold: Hold, store: Objects) -> None:
    store.put("a")
    tables = {"screenshots": SCREENSHOTS, "processes": TableSettings(key=("id",))}
    found = hold(Shot("1", "a"), others={"processes": [Shot("1", "a"), Shot("3", "gone")]}, tables=tables)
    assert verdicts(found) == {"missing_object": {"3": "confirmed"}, "shared_object": {"a": "confirmed"}}
    assert only(found, "missing_object", "3").target == "processes"


def test_what_is_protected_is_in_no_finding(hold: Hold, store: Objects) -> None:
    store.put("mine/a", b"1")
    store.put("mine/orphan")
    store.put("mine/shared")
    store.put("b")
    found = hold(
        Shot("1", "mine/a", size=9, etag=OTHER_MD5),
        Shot("2", "mine/gone"),
        Shot("3", "mine/shared", status="pending", url="https://host.example/elsewhere"),
        Shot("4", "mine/shared"),
        Shot("5", "b"),
        protect=("mine/",),
    )
    assert verdicts(found) == {}


def test_what_a_select_names_is_no_orphan(hold: Hold, store: Objects) -> None:
    for name in ("a", "thumb", "url-thumb", "orphan"):
        store.put(name)
    found = hold(
        Shot("1", "a"),
        others={"thumbs": [Shot("1", "thumb"), Shot("2", None)]},
        also_referenced=("SELECT oss_key FROM thumbs", "SELECT 'url-thumb'"),
    )
    assert verdicts(found) == {"orphan_object": {"orphan": "confirmed"}}


def test_a_table_without_a_status_expects_every_object(hold: Hold, store: Objects) -> None:
    store.put("a")
    found = hold(Shot("1", "a"), Shot("2", "gone"), without=("status", "etag", "updated_at"))
    assert verdicts(found) == {"missing_object": {"2": "confirmed"}}


def test_rows_without_a_key_name_nothing(hold: Hold, store: Objects) -> None:
    store.put("a")
    found = hold(Shot("1", "a"), Shot("2"), Shot("3", ""), Shot("4", " \t"), Shot("5", "", url=""))
    assert verdicts(found) == {}


def test_rows_with_no_id_are_told_of_too(hold: Hold, store: Objects) -> None:
    store.put("a")
    found = hold(Shot("1", "a"), Shot(None, "gone"))
    assert verdicts(found) == {"missing_object": {None: "confirmed"}}


def test_rows_that_cannot_be_told_apart_are_counted_once_each(
    database: Database, store: Objects, tmp_path: Path
) -> None:
    store.put("a")
    shots = [Shot("1", "gone"), Shot("1", "gone"), Shot("2", "a"), Shot("3", "a"), Shot("3", "a")]
    url = database.create(tmp_path, {"held": shots})
    database.execute(url, "CREATE VIEW screenshots AS SELECT id, oss_key, status FROM held")
    try:
        found = checked(settings_of(url, store.settings()))
    finally:
        database.execute(url, "DROP VIEW screenshots")
    assert verdicts(found) == {"missing_object": {"1": "confirmed"}, "shared_object": {"a": "confirmed"}}
    assert only(found, "missing_object", "1").count == 2
    assert len(only(found, "shared_object", "a").evidence) == 3


@pytest.mark.parametrize(
    ("missing", "orphan", "what"),
    [
        ("shots/A.jpg", "shots/a.jpg", "letter case"),
        ("shots/a b.jpg", "shots/a%20b.jpg", "URL encoding"),
        ("shots/a b.jpg", "shots/a+b.jpg", "URL encoding"),
        ("shots//a.jpg", "shots/a.jpg", "slashes"),
        ("/shots/a.jpg", "shots/a.jpg", "slashes"),
        ("shots/caf\u00e9.jpg", "shots/cafe\u0301.jpg", "Unicode form"),
        ("shots/A%20B.jpg", "shots/a b.jpg", "letter case, encoding or slashes"),
    ],
)
def test_the_near_match_of_a_missing_object_is_told(
    hold: Hold, store: Objects, missing: str, orphan: str, what: str
) -> None:
    store.put(orphan)
    store.put("other")
    found = hold(Shot("1", missing), Shot("2", "gone"), Shot("3", "other"))
    assert verdicts(found) == {
        "missing_object": {"1": "confirmed", "2": "confirmed"},
        "orphan_object": {orphan: "confirmed"},
    }
    lost = only(found, "missing_object", "1")
    assert "is there" in lost.message
    assert any(f"its key differs in {what} alone" in one.text for one in lost.evidence)
    assert f"which differs in {what} alone" in only(found, "orphan_object", orphan).message
    assert "is there" not in only(found, "missing_object", "2").message


def test_uploads_in_parts_that_never_ended(
    database: Database, tmp_path: Path, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket(oss, monkeypatch)
    bucket.put("a")
    oss.bucket.leave_upload("old", [100, 50], OLD)
    oss.bucket.leave_upload("old", [7], int(YOUNG))
    oss.bucket.leave_upload("young", [5], int(YOUNG))
    oss.bucket.leave_upload("mine/old", [5], OLD)
    oss.bucket.leave_upload("_dedupaudit/quarantine/old", [5], OLD)
    url = database.create(tmp_path, {"screenshots": [Shot("1", "a")]})
    found = checked(settings_of(url, {**bucket.settings(), "protect": ("mine/",)}))
    assert verdicts(found) == {"multipart_leftover": {"old": "confirmed", "young": "in_grace"}}
    assert only(found, "multipart_leftover", "old").count == 3
    (totals,) = (found.report.summary.objects or {}).values()
    assert (totals.multipart_leftover, totals.multipart_bytes) == (2, 162)
