"""What the engine reads from an inventory is what a plain reader of the documented format reads, or an error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dedupaudit.crosscheck.stores import Store
from dedupaudit.errors import SourceError
from dedupaudit.progress import SILENT
from dedupaudit.snapshot.crossing import Crossing
from dedupaudit.snapshot.escaping import unescape
from dedupaudit.sources.objects.inventory import open_local
from tests.sources.objects.asking import HOSTILE
from tests.sources.objects.inventories import COLUMNS, FOLDER, manifest_of, row, write, zipped

MEMORY = 48_000_000
"""The least that the engine is given."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEEDED = ("Key", "Size", "LastModifiedDate")
OTHERS = (
    "Bucket", "VersionId", "IsLatest", "IsDeleteMarker", "ETag", "StorageClass", "IsMultipartUploaded",
    "EncryptionStatus", "ObjectType",
)  # fmt: skip
PIECES = (
    "a", "/", "//", "../", "./", "%", "%2F", "%zz", "+", " ", ",", '"', '""', "'", "\n", "\r\n", "\t", "\\", "\\N",
    "\\005c", "\x00", "\x01", "\x1f", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\u00e9", "e\u0301",
    "\U0001f600", "\uffff", "=cmd()", "=1+1", "@SUM(A1)", "NULL", "null", "#", ";", "?", "{key}", "$1", "照片",
)  # fmt: skip
LONG = ("k" * 1023, "\u00e9" * 511 + "x", "\U0001f600" * 255 + "%+ ", "\x01" * 1023)
UNQUOTED = ("", "/", "/,\"'=+ ;:@!*()")
"""What a writer leaves as it is; a raw plus is a plus, as OSS writes a space as %20."""
TIMES = ("%Y-%m-%dT%H:%M:%S.000Z", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H-%M-%SZ", "%Y-%m-%dT%H-%MZ", "%Y-%m-%d %H:%M:%S")
PARTS_OF_A_SECOND = "%Y-%m-%dT%H:%M:%S.%fZ"
ETAGS = ("0123456789ABCDEF" * 2, "f" * 32, "0123456789ABCDEF" * 2 + "-3", "00FF", "", "F" * 33, "=cmd()")
DIALECTS: tuple[dict[str, Any], ...] = (
    {"lineterminator": "\n"},
    {"lineterminator": "\r\n"},
    {"lineterminator": "\n", "quoting": csv.QUOTE_MINIMAL},
)

Fact = tuple[str, int, int, str | None]


class Case(NamedTuple):
    """The columns of an inventory, the lines of its data files, how they are written, and what is asked for."""

    columns: Sequence[str]
    parts: Sequence[Sequence[Sequence[str]]]
    dialect: dict[str, Any]
    prefix: str = ""


def plain(manifest: Path, prefix: str = "") -> list[Fact]:
    """Read an inventory by the book: the current objects below a prefix, an ETag where it is an MD5."""
    told = json.loads(manifest.read_bytes())
    columns = told["fileSchema"].split(", ")
    facts = []
    for file in told["files"]:
        root = Path(str(manifest).removesuffix(f"/{FOLDER}/manifest.json"))
        text = gzip.decompress((root / file["key"]).read_bytes()).decode("utf-8")
        for line in csv.reader(io.StringIO(text, newline=""), strict=True):
            field = dict(zip(columns, line, strict=True))
            if field.get("IsLatest", "true") == "false" or field.get("IsDeleteMarker") == "true":
                continue
            key = unquote(field["Key"], errors="strict")
            if not key.startswith(prefix) or key.startswith("_dedupaudit/"):
                continue
            etag = field.get("ETag", "").strip('"').upper()
            whole = field.get("ObjectType") == "Normal" and field.get("IsMultipartUploaded") != "true"
            md5 = etag if whole and re.fullmatch("[0-9A-F]{32}", etag) else None
            facts.append((key, int(field["Size"]), _micros(field["LastModifiedDate"]), md5))
    return sorted(facts)


def _micros(text: str) -> int:
    whole, _, part = text.removesuffix("Z").partition(".")
    numbers = [int(number) for number in re.split("[-T: ]", whole)]
    since = datetime(*numbers, tzinfo=UTC) - EPOCH  # type: ignore[arg-type, misc]  # five numbers or six
    return since // timedelta(microseconds=1) + int(part.ljust(6, "0"))


def read(manifest: Path, prefix: str = "") -> list[Fact]:
    """Read an inventory as crosscheck does."""
    with open_local(str(manifest)) as inventory, Crossing(MEMORY) as crossing:
        store = Store("oss://pictures/", "inventory", None, "pictures", prefix, 1, inventory)
        store.load(crossing, SILENT)
        facts = crossing._all("SELECT key, size, modified, etag FROM first.objects")
    return sorted((unescape(key), size, modified, etag) for key, size, modified, etag in facts)


# ---- whatever stands in it


def _key() -> st.SearchStrategy[str]:
    joined = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
    keys = joined.map("".join) | st.sampled_from(LONG) | st.sampled_from(HOSTILE)
    return keys | keys.map(lambda key: ("_dedupaudit/" + key)[:200])


@st.composite
def _fields(draw: st.DrawFn, key: str, times: Sequence[str]) -> dict[str, str]:
    at = EPOCH + timedelta(microseconds=draw(st.integers(0, 4_000_000_000_000_000)))
    etag = draw(st.sampled_from(ETAGS))
    return {
        "Bucket": "pictures",
        "Key": quote(key, safe=draw(st.sampled_from(UNQUOTED))),
        "VersionId": draw(st.sampled_from(["", "null", "CAEQ"])),
        "IsLatest": "true",
        "IsDeleteMarker": "false",
        "Size": str(draw(st.integers(0, 48_800_000_000_000) | st.integers(0, 9))),
        "LastModifiedDate": at.strftime(draw(st.sampled_from(times))),
        "ETag": draw(st.sampled_from([etag, f'"{etag}"'])),
        "StorageClass": "Standard",
        "IsMultipartUploaded": draw(st.sampled_from(["true", "false", "false"])),
        "EncryptionStatus": "false",
        "ObjectType": draw(st.sampled_from(["Normal", "Normal", "Multipart", "Appendable", "Symlink", ""])),
    }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    columns = draw(st.permutations([*NEEDED, *draw(st.lists(st.sampled_from(OTHERS), unique=True))]))
    times = draw(st.sampled_from([TIMES, (PARTS_OF_A_SECOND,)]))
    lines = []
    keys = draw(st.lists(_key(), max_size=12, unique=True))
    for key in keys:
        fields = draw(_fields(key, times))
        if "IsLatest" in columns:
            earlier = draw(st.lists(_fields(key, times), max_size=2))
            lines += [line | {"IsLatest": "false"} for line in earlier]
        if "IsDeleteMarker" in columns and draw(st.booleans()):
            fields |= {"IsDeleteMarker": "true", "Size": draw(st.sampled_from(["", "0"])), "ETag": ""}
        lines.append(fields)
    lines = draw(st.permutations(lines))
    cuts = sorted(draw(st.lists(st.integers(0, len(lines)), max_size=3)))
    rows = [[line[column] for column in columns] for line in lines]
    parts = [rows[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    prefix = draw(st.sampled_from(keys))[: draw(st.integers(0, 4))] if keys else ""
    return Case(columns, parts, draw(st.sampled_from(DIALECTS)), prefix)


def _lines(keys: Sequence[str]) -> list[list[str]]:
    return [[*row(key)[:4], "F" * 32, *row(key)[5:]] for key in keys]


@given(case=cases())
@example(Case(COLUMNS, [_lines(HOSTILE), [], _lines(LONG[1:])], DIALECTS[0]))
@example(Case(["Key", "Size", "LastModifiedDate"], [[["%EF%BB%BFa", "1", "2026-01-01T10-11Z"]]], DIALECTS[2], "\ufeff"))
@example(Case(COLUMNS, [], DIALECTS[0]))
def test_the_engine_reads_what_a_plain_reader_reads(case: Case) -> None:
    with TemporaryDirectory() as folder:
        parts = [zipped(part, **case.dialect) for part in case.parts]
        manifest = Path(write(Path(folder), manifest_of(parts, case.columns)))
        expected = plain(manifest, case.prefix)
        assert read(manifest, case.prefix) == expected


# ---- what it says of the lines that matter


def test_of_a_versioned_key_the_latest_counts_and_a_delete_marker_is_no_object(tmp_path: Path) -> None:
    columns = ["Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "LastModifiedDate", "Size"]
    rows = [
        ["pictures", "a", "1", "true", "false", "2026-01-01 00:00:00", "5"],
        ["pictures", "a", "0", "false", "false", "2025-01-01 00:00:00", "4"],
        ["pictures", "b", "1", "true", "true", "2026-01-01T00-00-00Z", ""],
        ["pictures", "b", "0", "false", "false", "2025-01-01T00-00-00Z", "4"],
        ["pictures", "c", "null", "", "", "2025-01-01T00-00-00Z", "4"],
    ]
    manifest = write(tmp_path, manifest_of([zipped(rows)], columns))
    assert [(key, size) for key, size, _, _ in read(Path(manifest))] == [("a", 5), ("c", 4)]


def test_an_etag_is_an_md5_of_normal_objects_alone(tmp_path: Path) -> None:
    lines = _lines(["normal", "parts", "Multipart", "Appendable", "Symlink"])
    lines[0][COLUMNS.index("ETag")] = f'"{"f" * 32}"'
    lines[1][COLUMNS.index("IsMultipartUploaded")] = "true"
    for line in lines[2:]:
        line[COLUMNS.index("ObjectType")] = line[1]
    manifest = Path(write(tmp_path, manifest_of([zipped(lines)], COLUMNS)))
    assert [(key, etag) for key, _, _, etag in read(manifest) if etag] == [("normal", "F" * 32)]
    untyped = Path(write(tmp_path / "untyped", manifest_of([zipped([line[:-1] for line in lines])], COLUMNS[:-1])))
    assert not any(etag for *_, etag in read(untyped)), "of what type they are is not known"


def test_a_data_file_larger_than_what_the_engine_takes_at_once(tmp_path: Path) -> None:
    """Thousands of keys that are long and quoted throughout: 13 MB of lines, with quotes and commas at every seam."""
    middle = ',"\U0001f600' * 160
    lines = [["pictures", quote(f"{number}{middle}", safe=',"'), *row("x")[2:]] for number in range(5_000)]
    manifest = Path(write(tmp_path, manifest_of([zipped(lines)], COLUMNS)))
    assert {key for key, *_ in read(manifest)} == {f"{number}{middle}" for number in range(5_000)}


def test_a_data_file_of_several_gzip_members(tmp_path: Path) -> None:
    parts = [zipped(_lines([key]), lineterminator="\n") for key in ("a", "b")]
    manifest = Path(write(tmp_path, manifest_of([b"".join(parts)], COLUMNS)))
    assert [key for key, *_ in read(manifest)] == ["a", "b"]


# ---- where it lies


@pytest.mark.parametrize("name", ["lists[1]", "lists?", "lists*", "c1=z", "a b'c\"", "\\lists[1]"])
def test_a_folder_whose_name_the_engine_could_take_for_a_pattern(tmp_path: Path, name: str) -> None:
    for folder, key in ((name, "right"), ("lists1", "wrong")):
        write(tmp_path / folder, manifest_of([zipped(_lines([key]))], COLUMNS))
    assert [key for key, *_ in read(tmp_path / name / FOLDER / "manifest.json")] == ["right"]


@pytest.mark.parametrize("name", ["key=1", "c1=z", "t[1]", "t*"])
def test_a_folder_for_temporary_files_whose_name_is_odd(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / name
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    manifest = Path(write(tmp_path, manifest_of([zipped(_lines(["a", "b"]))], COLUMNS)))
    with open_local(str(manifest)) as inventory, Crossing(MEMORY) as crossing:
        with crossing.objects("again") as intake:
            intake.write(b"listed\t1\t2\t\\N\n")
        store = Store("oss://pictures/", "inventory", None, "pictures", "", 1, inventory)
        store.load(crossing, SILENT)
        assert crossing._all("SELECT key FROM first.objects ORDER BY key") == [("a",), ("b",)]
        assert crossing._all("SELECT key FROM again.objects") == [("listed",)]
    assert not os.listdir(odd)


# ---- what it refuses


def _changed(column: str, value: str, columns: Sequence[str] = COLUMNS) -> bytes:
    line = row("b")
    line[columns.index(column)] = value
    return zipped([row("a"), line])


WRONG: dict[str, tuple[bytes, str]] = {
    "too short": (zipped([row("a"), row("b")[:-1], row("c")]), "Line: 2"),
    "too long": (zipped([row("a"), row("b", "more")]), "Line: 2"),
    "cut within quotes": (gzip.compress(b'"pictures","a'), "Line: 1"),
    "not UTF-8": (gzip.compress(b'"pictures","\xff","7","2026-01-01T10:11:12Z","","false","Normal"\n'), "Line: 1"),
    "key not UTF-8": (_changed("Key", "%ff"), "%ff"),
    "no key": (_changed("Key", ""), "no key"),
    "no size": (_changed("Size", ""), "no size: nothing"),
    "size a word": (_changed("Size", "many"), "no size: many"),
    "size broken": (_changed("Size", "7.6"), "no size: 7.6"),
    "size below nothing": (_changed("Size", "-7"), "no size: -7"),
    "size too large": (_changed("Size", "9" * 20), "no size: 9"),
    "no time": (_changed("LastModifiedDate", ""), "no time: nothing"),
    "time a word": (_changed("LastModifiedDate", "infinity"), "no time: infinity"),
    "time elsewhere": (_changed("LastModifiedDate", "2026-01-01T10:11:12+08:00"), "no time: 2026"),
    "no such day": (_changed("LastModifiedDate", "2026-02-30T10:11:12Z"), "2026-02-30"),
    "control characters": (_changed("Size", "\x1b[31m"), r"no size: \\x1b"),
    "no gzip": (b"pictures,a,7", "cannot be read"),
    "gzip cut": (zipped([row(str(number)) for number in range(1000)])[:900], "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_line_that_is_not_understood_is_an_error(tmp_path: Path, name: str) -> None:
    part, words = WRONG[name]
    manifest = write(tmp_path, manifest_of([zipped([row("fine")]), part], COLUMNS))
    with pytest.raises(SourceError, match=words) as failed:
        read(Path(manifest))
    assert "cannot be read" in failed.value.message
    assert "1.csv.gz" in failed.value.message
    assert failed.value.hint == "take another inventory"


def test_earlier_versions_that_are_not_told_from_the_latest_are_an_error(tmp_path: Path) -> None:
    manifest = write(tmp_path, manifest_of([zipped([row("a\n")]), zipped([row("a\n")])], COLUMNS))
    with pytest.raises(SourceError, match=r"has a\\n more than once: it lists earlier versions") as failed:
        read(Path(manifest))
    assert "add IsLatest" in failed.value.hint
