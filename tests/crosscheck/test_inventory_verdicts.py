"""Verdicts by an inventory: what it is too old for is in grace, and only what can be looked at now is confirmed."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dedupaudit.building import Outcome
from dedupaudit.crosscheck import stores
from dedupaudit.model import ObjectRequests
from dedupaudit.progress import Progress
from dedupaudit.snapshot.crossing import Crossing
from dedupaudit.sources.objects.protocol import Asking
from tests.conftest import Run
from tests.crosscheck.scene import oss_arguments, oss_env
from tests.crosscheck.shots import DATABASES, OLD, SCREENSHOTS, Shot, checked, only, settings_of, verdicts
from tests.oss import errors, faults
from tests.oss.objects import StoredObject
from tests.oss.server import FakeOss
from tests.sources.objects.asking import QUICK, be
from tests.sources.objects.inventories import COLUMNS, CREATED, FOLDER, files_of, write

SQLITE = DATABASES[0]
MD5 = hashlib.md5(b"picture", usedforsecurity=False).hexdigest().upper()
OTHER_MD5 = "B" * 32
SHOTS = [
    Shot("fine", "fine", size=7, etag=MD5),
    Shot("lost", "lost", updated=OLD),
    Shot("size", "size", size=8),
    Shot("etag", "etag", etag=OTHER_MD5),
    Shot("early", "early", status="uploading"),
    Shot("one", "shared"),
    Shot("other", "shared"),
    Shot("url", "url", url="https://cdn.example.com/elsewhere"),
]
KEYS = ("fine", "orphan", "size", "etag", "early", "shared", "url")
LOOKED_AT = {
    "missing_object": {"lost": "confirmed"},
    "size_mismatch": {"size": "confirmed"},
    "etag_mismatch": {"etag": "confirmed"},
    "unexpected_object": {"early": "confirmed"},
}
UNKNOWN = {check: dict.fromkeys(found, "unknown") for check, found in LOOKED_AT.items()}
ORPHAN = {"orphan_object": {"orphan": "confirmed"}}
ROWS_ALONE = {"shared_object": {"shared": "confirmed"}, "misplaced_object": {"url": "confirmed"}}
SUSPECTS = ["early", "etag", "lost", "orphan", "size"]

Place = Callable[[dict[str, bytes]], dict[str, Any]]
"""Puts an inventory where it lies, and returns what `[objects]` says of it."""


def line(key: str, at: float = OLD, *more: str, size: int = 7) -> list[str]:
    """Return a line of an inventory."""
    written = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return ["pictures", quote(key, safe=""), str(size), written, f'"{MD5}"', "false", "Normal", *more]


def inventory(*parts: Sequence[Sequence[str]], **changes: Any) -> dict[str, bytes]:
    """Return the files of an inventory; without lines, of `KEYS` in two data files."""
    return files_of(parts or [[line(key) for key in KEYS[:3]], [line(key) for key in KEYS[3:]]], COLUMNS, **changes)


def live(oss: FakeOss, url: str = "oss://pictures") -> dict[str, Any]:
    """Return what `[objects]` says of the bucket itself."""
    return {"url": url, "endpoint": oss.endpoint, "region": oss.region}


@pytest.fixture(params=["local", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, oss: FakeOss) -> Place:
    def local(files: dict[str, bytes]) -> dict[str, Any]:
        return {"inventory": write(tmp_path / "lists", files)}

    def bucket(files: dict[str, bytes]) -> dict[str, Any]:
        lists = oss.add_bucket("lists")
        for key, raw in files.items():
            lists.put(key, raw)
        there = {"endpoint": oss.endpoint, "region": oss.region}
        return {"inventory": f"oss://lists/{FOLDER}/manifest.json", **there}

    return local if request.param == "local" else bucket


@pytest.fixture(autouse=True)
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch)
    monkeypatch.setattr(stores, "Asking", partial(Asking, patience=QUICK.patience))


@pytest.fixture
def hold(tmp_path: Path, place: Place) -> Callable[..., Outcome]:
    """Return a function that holds rows against an inventory."""

    def run(shots: Sequence[Shot], files: dict[str, bytes], live: dict[str, Any] | None = None) -> Outcome:
        url = SQLITE.create(tmp_path, {"screenshots": shots})
        return checked(settings_of(url, {**place(files), **(live or {})}, {"screenshots": SCREENSHOTS}))

    return run


Hold = Callable[..., Outcome]


def requests(outcome: Outcome) -> ObjectRequests:
    """Return the requests that a report counts."""
    (totals,) = (outcome.report.summary.objects or {}).values()
    return totals.requests


def became(outcome: Outcome, check: str) -> tuple[str, str | None]:
    """Return status and reason of the only coverage row of a check."""
    (row,) = [row for row in outcome.report.coverage if row.check == check]
    return row.status, row.reason


def looked(oss: FakeOss) -> list[str]:
    """Return the keys that were asked for by HEAD."""
    return sorted(one.key for one in oss.log if one.kind == "head")


# ---- an inventory alone


def test_alone_it_confirms_orphans_and_what_the_rows_tell(hold: Hold, oss: FakeOss, request: Any) -> None:
    found = hold(SHOTS, inventory())
    assert verdicts(found) == {**UNKNOWN, **ORPHAN, **ROWS_ALONE}
    assert "add --objects oss://BUCKET/PREFIX/" in only(found, "missing_object", "lost").message
    assert not found.report.complete
    status, reason = became(found, "multipart_leftover")
    assert (status, "does not list uploads" in (reason or "")) == ("failed", True)
    assert {row.strategy for row in found.report.coverage} == {"inventory"}
    fetched = 0 if "local" in request.node.name else 4
    assert requests(found) == ObjectRequests(list=0, head=0, other=fetched)
    assert [one.method for one in oss.log] == ["GET"] * fetched


def test_what_was_fetched_is_gone_at_the_end(hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert verdicts(hold(SHOTS, inventory()))
    assert not os.listdir(temporary)


def writes_while_loading(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, statement: str) -> None:
    """Have the application write when the rows were read and the inventory is."""
    load = stores.Store.load

    def loaded(store: stores.Store, crossing: Crossing, progress: Progress) -> None:
        load(store, crossing, progress)
        SQLITE.execute(f"sqlite:///{tmp_path}/app.db", statement)

    monkeypatch.setattr(stores.Store, "load", loaded)


def test_an_orphan_is_confirmed_by_rows_that_are_read_after_it(
    hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = "INSERT INTO screenshots (id, oss_key, status, created_at) VALUES ('late', 'orphan', 'completed', '2026')"
    writes_while_loading(monkeypatch, tmp_path, insert)
    found = hold([Shot("fine", "fine")], inventory([line("fine"), line("orphan"), line("stray")]))
    assert verdicts(found) == {"orphan_object": {"stray": "confirmed"}}


def test_orphans_are_unknown_where_no_row_can_be_read_again(
    hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes_while_loading(monkeypatch, tmp_path, "DROP TABLE screenshots")
    found = hold([Shot("fine", "fine")], inventory([line("fine"), line("stray")]))
    assert verdicts(found) == {"orphan_object": {"stray": "unknown"}}


# ---- what it is too old for


@pytest.mark.parametrize("beside", [True, False], ids=["beside the bucket", "alone"])
def test_what_was_written_since_or_shortly_before_is_in_grace(hold: Hold, oss: FakeOss, beside: bool) -> None:
    """The grace counts from when the inventory was taken: weeks ago, whatever the time is now."""
    before, within = CREATED - 3601, CREATED - 3599
    orphans = {"before": before, "within": within, "since": CREATED + 9}
    lines = [line("fine"), *(line(f"orphan {name}", at) for name, at in orphans.items())]
    for name, at in orphans.items():
        oss.bucket.put(f"orphan {name}", b"picture", int(at))
    rows = [
        Shot("fine", "fine"),
        Shot("before", "a", at=before),
        Shot("within", "b", at=within),
        Shot("since", "c", at=CREATED + 3600),
        Shot("updated", "d", at=before, updated=CREATED + 1),
        Shot("timeless", "e", at=None),
    ]
    found = hold(rows, inventory(lines), live(oss) if beside else None)
    seen = "confirmed" if beside else "unknown"
    young = dict.fromkeys(["within", "since", "updated"], "in_grace")
    assert verdicts(found) == {
        "missing_object": {"before": seen, "timeless": seen, **young},
        "orphan_object": {"orphan before": "confirmed", "orphan within": "in_grace", "orphan since": "in_grace"},
    }
    assert looked(oss) == (["a", "e", "orphan before"] if beside else []), "who is in grace is not looked at"


def test_an_inventory_that_says_it_comes_from_tomorrow_gives_no_longer_grace(hold: Hold) -> None:
    now = time.time()
    files = inventory([line("fine")], creationTimestamp=str(int(now + 86_400)))
    found = hold([Shot("fine", "fine"), Shot("now", "a", at=now - 60), Shot("old", "b", at=now - 7200)], files)
    assert verdicts(found) == {"missing_object": {"now": "in_grace", "old": "unknown"}}


# ---- with the bucket beside it


def test_each_suspect_is_looked_at_in_the_bucket_and_confirmed(hold: Hold, oss: FakeOss, request: Any) -> None:
    for key in KEYS:
        oss.bucket.put(key, b"picture", OLD)
    found = hold(SHOTS, inventory(), live(oss))
    assert verdicts(found) == {**LOOKED_AT, **ORPHAN, **ROWS_ALONE}
    assert found.report.complete
    assert looked(oss) == SUSPECTS
    assert oss.counts["list"] == 1, "the preflight"
    gets = 0 if "local" in request.node.name else 4
    assert requests(found) == ObjectRequests(list=1, head=5, other=gets + 1), "the preflight; and the uploads in parts"


def test_what_is_well_in_the_bucket_is_dropped(hold: Hold, oss: FakeOss) -> None:
    oss.bucket.put("lost", b"picture")
    oss.bucket.put("size", b"pictures", OLD)
    oss.bucket.put("etag", StoredObject(7, OTHER_MD5, OLD))
    found = hold(SHOTS, inventory(), live(oss))
    assert verdicts(found) == ROWS_ALONE
    assert found.report.complete
    assert looked(oss) == SUSPECTS
    assert oss.counts["list"] == 1


def test_what_was_written_over_since_is_in_grace(hold: Hold, oss: FakeOss) -> None:
    for key in KEYS:
        oss.bucket.put(key, b"picture", CREATED + 60)
    found = verdicts(hold(SHOTS, inventory(), live(oss)))
    looked_at = {check: dict.fromkeys(ids, "in_grace") for check, ids in {**LOOKED_AT, **ORPHAN}.items()}
    assert found == {**looked_at, **ROWS_ALONE, "missing_object": {"lost": "confirmed"}}


def test_what_the_bucket_does_not_answer_for_is_unknown(hold: Hold, oss: FakeOss) -> None:
    oss.misbehave(faults.fail(errors.unavailable), kind="head", times=None)
    found = hold(SHOTS, inventory(), live(oss))
    assert verdicts(found) == {**UNKNOWN, "orphan_object": {"orphan": "unknown"}, **ROWS_ALONE}
    assert not found.report.complete


def test_an_old_object_that_it_left_out_is_not_missing_and_it_is_not_whole(hold: Hold, oss: FakeOss) -> None:
    oss.bucket.put("lost", b"picture", OLD)
    oss.bucket.put("orphan", b"picture", OLD)
    found = hold(SHOTS, inventory(), live(oss))
    assert "missing_object" not in verdicts(found)
    status, reason = became(found, "orphan_object")
    assert status == "failed"
    assert "the inventory of oss://pictures/ is not whole: 1 objects" in (reason or "")
    assert "take another inventory" in (reason or "")
    assert not found.report.complete


def test_where_suspects_lie_dense_their_range_is_listed(hold: Hold, oss: FakeOss) -> None:
    rows = [Shot(f"{number:03}", f"{number:03}") for number in range(100)]
    oss.bucket.put("fine", b"picture", OLD)
    for number in range(50, 100):
        oss.bucket.put(f"{number:03}", b"picture")
    found = verdicts(hold([Shot("fine", "fine"), *rows], inventory([line("fine")]), live(oss)))
    assert found == {"missing_object": {f"{number:03}": "confirmed" for number in range(50)}}
    assert oss.counts["list"] == 2, "the preflight, and a page in place of a hundred HEADs"
    assert oss.counts["head"] == 8, "a few of those that the page has not"


def test_a_delete_marker_is_no_object_and_an_earlier_version_none_either(hold: Hold, oss: FakeOss) -> None:
    columns = [*COLUMNS, "IsLatest", "IsDeleteMarker"]
    lines = [
        line("fine", OLD, "true", "false"),
        line("fine", OLD, "false", "false", size=9),
        line("gone", OLD, "true", "true"),
        line("gone", OLD, "false", "false"),
        line("deleted orphan", OLD, "true", "true"),
    ]
    found = hold([Shot("fine", "fine", size=7), Shot("gone", "gone")], files_of([lines], columns), live(oss))
    assert verdicts(found) == {"missing_object": {"gone": "confirmed"}}
    assert looked(oss) == ["gone"]


def test_only_what_lies_below_the_prefix_is_judged(hold: Hold, oss: FakeOss) -> None:
    oss.bucket.put("shots/a", b"picture", OLD)
    oss.bucket.put("shots/orphan", b"picture", OLD)
    lines = [line(key) for key in ("shots/a", "shots/orphan", "thumbs/a", "_dedupaudit/a")]
    found = hold([Shot("a", "shots/a")], inventory(lines), live(oss, "oss://pictures/shots/"))
    assert verdicts(found) == {"orphan_object": {"shots/orphan": "confirmed"}}


# ---- as a command


def test_the_command_with_both_in_oss(run: Run, tmp_path: Path, oss: FakeOss) -> None:
    lists = oss.add_bucket("lists")
    for key, raw in inventory().items():
        lists.put(key, raw)
    for key in KEYS:
        oss.bucket.put(key, b"picture", OLD)
    url = SQLITE.create(tmp_path, {"screenshots": SHOTS})
    settings = tmp_path / "dedupaudit.toml"
    settings.write_text('[tables.screenshots]\nkey = "id"\n')
    done = run(
        "crosscheck", "--config", str(settings), "--db", url, *oss_arguments(oss, "oss://pictures/"),
        "--inventory", f"oss://lists/{FOLDER}/manifest.json", "-f", "json", env=oss_env(),
    )  # fmt: skip
    report = done.json()
    assert (done.code, report["complete"]) == (1, True), done.err
    assert {one["verdict"] for one in report["findings"]} == {"confirmed"}
    assert {one["check"] for one in report["findings"]} == {*LOOKED_AT, *ORPHAN, *ROWS_ALONE}
    assert b"the inventory of 2026-01-02T00:00:00.000Z in place of a listing" in done.err
    assert looked(oss) == SUSPECTS
    assert oss.counts["list"] == 1
