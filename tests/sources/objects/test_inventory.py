"""An inventory is believed where every checksum holds; what its lines say is `tests/crosscheck/test_inventory.py`'s."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dedupaudit.errors import SourceError
from dedupaudit.sources.objects import inventory
from tests.oss import errors, faults
from tests.oss.server import FakeOss
from tests.sources.objects.asking import source_of
from tests.sources.objects.inventories import COLUMNS, CREATED, DATA, FOLDER, files_of, md5, row, write


def paths(manifest: str) -> list[str]:
    """Return the names of the data files, each verified."""
    with inventory.open_local(manifest) as opened:
        return [path.name for path in opened.paths()]


USUAL = files_of([[row("a")], [row("b")]], COLUMNS)


def test_it_tells_paths_columns_and_when_it_was_taken(tmp_path: Path) -> None:
    with inventory.open_local(write(tmp_path, USUAL)) as opened:
        assert opened.columns == tuple(COLUMNS)
        assert opened.created == CREATED * 1_000_000
        assert opened.bucket == "pictures"
        assert opened.paths() == tuple(tmp_path / DATA / f"{number}.csv.gz" for number in (0, 1))


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
        paths(write(tmp_path, files))
    assert failed.value.hint


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        inventory.open_local(str(tmp_path / "manifest.json"))


def test_data_that_lies_beside_the_manifest_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, USUAL)
    for file in (tmp_path / DATA).iterdir():
        file.rename(Path(path).with_name(file.name))
    assert paths(path) == ["0.csv.gz", "1.csv.gz"]


def test_an_inventory_in_a_bucket_costs_no_listing(oss: FakeOss) -> None:
    for key, raw in USUAL.items():
        oss.bucket.put(key, raw)
    with source_of(oss) as source:
        with inventory.open_remote(source.connection, f"{FOLDER}/manifest.json", "oss://pictures/x") as opened:
            fetched = opened.paths()
            assert [path.read_bytes() for path in fetched] == [USUAL[f"{DATA}/{number}.csv.gz"] for number in (0, 1)]
            folder = fetched[0].parent
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
        assert len(opened.paths()) == 2
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
