"""An inventory is believed where every checksum holds, and read by the columns that its manifest names."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dedupaudit.errors import SourceError
from dedupaudit.sources.objects import inventory
from dedupaudit.sources.objects.protocol import ObjectFact
from tests.oss import errors, faults
from tests.oss.server import FakeOss
from tests.sources.objects.asking import HOSTILE, source_of

COLUMNS = ["Bucket", "Key", "Size", "LastModifiedDate", "ETag", "IsMultipartUploaded", "ObjectType"]
FOLDER = "lists/pictures/daily/2026-01-02T00-00Z"
DATA = "lists/pictures/daily/data"


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest().upper()


def zipped(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return gzip.compress(text.getvalue().encode())


def row(key: str, *more: str, kind: str = "Normal") -> list[str]:
    return ["pictures", quote(key, safe=""), "7", "2026-01-01T10:11:12.000Z", '"00FF"', "false", kind, *more]


def files_of(rows: list[list[list[str]]], columns: list[str], **changes: Any) -> dict[str, bytes]:
    """Return the files of an inventory by their keys."""
    made = {f"{DATA}/{number}.csv.gz": zipped(part) for number, part in enumerate(rows)}
    told = {
        "creationTimestamp": "1767312000",
        "destinationBucket": "lists",
        "fileFormat": "CSV",
        "fileSchema": ", ".join(columns),
        "files": [{"MD5checksum": md5(raw), "key": key, "size": len(raw)} for key, raw in made.items()],
        "sourceBucket": "pictures",
        "version": "2019-09-01",
    } | changes
    manifest = json.dumps(told).encode()
    return made | {f"{FOLDER}/manifest.json": manifest, f"{FOLDER}/manifest.checksum": md5(manifest).encode()}


def write(folder: Path, files: dict[str, bytes]) -> str:
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return str(folder / FOLDER / "manifest.json")


def facts(path: str, prefix: str = "") -> list[ObjectFact]:
    with inventory.open_local(path) as opened:
        return [fact for page in opened.pages(prefix) for fact in page]


USUAL = files_of([[row("a")], [row("b")]], COLUMNS)


def test_hostile_keys_come_back_byte_for_byte(tmp_path: Path) -> None:
    path = write(tmp_path, files_of([[row(key) for key in HOSTILE[:9]], [row(key) for key in HOSTILE[9:]]], COLUMNS))
    assert [fact.key for fact in facts(path)] == HOSTILE
    assert facts(path, "a/")[0] == ObjectFact("a/../b", 7, 1_767_262_272_000_000, "00FF", True)


def test_it_tells_paths_columns_and_when_it_was_taken(tmp_path: Path) -> None:
    with inventory.open_local(write(tmp_path, USUAL)) as opened:
        assert opened.columns == tuple(COLUMNS)
        assert opened.created == 1_767_312_000_000_000
        assert opened.bucket == "pictures"
        assert opened.paths() == tuple(tmp_path / DATA / f"{number}.csv.gz" for number in (0, 1))


def test_columns_may_stand_in_any_order_and_old_versions_are_left_out(tmp_path: Path) -> None:
    columns = ["Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "LastModifiedDate", "Size"]
    rows = [
        ["pictures", "a", "1", "true", "false", "2026-01-01 00:00:00", "5"],
        ["pictures", "a", "0", "false", "false", "2025-01-01 00:00:00", "4"],
        ["pictures", "b", "0", "true", "true", "2026-01-01T00-00-00Z", "0"],
    ]
    found = facts(write(tmp_path, files_of([rows], columns)))
    assert found == [ObjectFact("a", 5, 1_767_225_600_000_000, None, False)]


def test_an_etag_is_an_md5_of_normal_objects_alone(tmp_path: Path) -> None:
    rows = [row(kind, kind=kind) for kind in ("Normal", "Multipart", "Appendable", "Symlink")]
    found = facts(write(tmp_path, files_of([rows], COLUMNS)))
    assert [fact.key for fact in found if fact.is_md5] == ["Normal"]


def spoiled(name: str, change: Callable[[bytes], bytes]) -> dict[str, bytes]:
    return USUAL | {name: change(USUAL[name])}


def told(**changes: Any) -> dict[str, bytes]:
    return files_of([[row("a")]], COLUMNS, **changes)


BROKEN = {
    "manifest.checksum": (spoiled(f"{FOLDER}/manifest.checksum", lambda _: b"0" * 32), "manifest.checksum says"),
    "manifest": (spoiled(f"{FOLDER}/manifest.json", lambda raw: raw + b" "), "manifest.checksum says"),
    "data checksum": (spoiled(f"{DATA}/1.csv.gz", lambda raw: raw[:-1] + b"\x07"), "not what the manifest says"),
    "data cut": (spoiled(f"{DATA}/1.csv.gz", lambda raw: raw[:-9]), "not what the manifest says"),
    "data missing": (
        {name: raw for name, raw in USUAL.items() if not name.endswith("1.csv.gz")},
        "is missing: .*1.csv.gz",
    ),
    "no column": (files_of([[["pictures", "a", "7"]]], ["Bucket", "Key", "Size"]), "no column LastModifiedDate"),
    "column twice": (files_of([[row("a", "x")]], [*COLUMNS, "Size"]), "twice"),
    "row too short": (files_of([[row("a")[:-1]]], COLUMNS), "6 columns in place of 7"),
    "no number": (files_of([[[*row("a")[:2], "x", *row("a")[3:]]]], COLUMNS), "cannot be read after line 1"),
    "no key": (files_of([[["pictures", "%ff", *row("a")[2:]]]], COLUMNS), "cannot be read"),
    "ORC": (told(fileFormat="ORC"), "not CSV"),
    "no time": (told(creationTimestamp="soon"), "creationTimestamp"),
    "no files": (told(files=None), "no files"),
    "outside": (told(files=[{"key": "../../../etc/passwd", "MD5checksum": "0" * 32}]), "is missing"),
    "no md5": (told(files=[{"key": "a"}]), "no MD5checksum"),
    "no JSON": (
        spoiled(f"{FOLDER}/manifest.json", lambda _: b"<x>") | {f"{FOLDER}/manifest.checksum": md5(b"<x>").encode()},
        "not JSON",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said(tmp_path: Path, name: str) -> None:
    files, words = BROKEN[name]
    with pytest.raises(SourceError, match=words) as failed:
        facts(write(tmp_path, files))
    assert failed.value.hint


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        inventory.open_local(str(tmp_path / "manifest.json"))


def test_data_that_lies_beside_the_manifest_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, USUAL)
    for file in (tmp_path / DATA).iterdir():
        file.rename(Path(path).with_name(file.name))
    assert [fact.key for fact in facts(path)] == ["a", "b"]


def test_an_inventory_in_a_bucket_costs_no_listing(oss: FakeOss) -> None:
    for key, raw in USUAL.items():
        oss.bucket.put(key, raw)
    with source_of(oss) as source:
        with inventory.open_remote(source.connection, f"{FOLDER}/manifest.json", "oss://pictures/x") as opened:
            assert [fact.key for page in opened.pages() for fact in page] == ["a", "b"]
            folder = opened.paths()[0].parent
        assert not folder.exists()
        assert (source.requests.list, source.requests.other) == (0, 4)


@pytest.mark.parametrize("fault", [faults.reset(), faults.reset_in_body(), faults.fail(errors.unavailable)])
def test_a_data_file_that_breaks_off_is_fetched_again(oss: FakeOss, fault: faults.Action) -> None:
    for key, raw in USUAL.items():
        oss.bucket.put(key, raw)
    rule = oss.misbehave(faults.Rule(fault, method="GET", key=f"{DATA}/1.csv.gz"))
    with (
        source_of(oss) as source,
        inventory.open_remote(source.connection, f"{FOLDER}/manifest.json", "oss://pictures/x") as opened,
    ):
        assert [fact.key for page in opened.pages() for fact in page] == ["a", "b"]
    assert rule.used == 1


def test_a_data_file_missing_in_the_bucket_is_said(oss: FakeOss) -> None:
    for key, raw in USUAL.items():
        if not key.endswith("1.csv.gz"):
            oss.bucket.put(key, raw)
    with (
        source_of(oss) as source,
        inventory.open_remote(source.connection, f"{FOLDER}/manifest.json", "oss://pictures/x") as opened,
        pytest.raises(SourceError, match="is missing"),
    ):
        opened.paths()
