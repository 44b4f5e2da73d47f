"""An inventory of OSS: what a bucket held when it was scanned, read from files in place of paid-for listings.

The manifest and every data file are checked against their MD5 before a line is believed. Objects written after
`created` may be missing in it.
"""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.sources.objects.protocol import ObjectFact, Requests
from dedupaudit.times import to_micros

if TYPE_CHECKING:
    from dedupaudit.sources.objects.oss_connection import OssConnection

_PAGE = 1000
_ATTEMPTS = 4
_LARGEST_MANIFEST = 64_000_000
_NEEDED = ("Key", "Size", "LastModifiedDate")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d)[:-](\d\d)(?:[:-](\d\d))?(\.\d{1,6})?Z?", re.ASCII)


@dataclass(frozen=True)
class DataFile:
    """One data file as the manifest lists it: its whole key in the destination bucket, bytes and MD5 (upper case)."""

    key: str
    size: int | None
    md5: str


@dataclass(frozen=True)
class Manifest:
    """What a manifest.json says. `created` is when the scan of the bucket began, in microseconds since the epoch."""

    bucket: str
    created: int
    columns: tuple[str, ...]
    files: tuple[DataFile, ...]


class Inventory:
    """An inventory whose manifest was read and verified. A context manager: fetched data files go with it."""

    def __init__(self, shown: str, manifest: Manifest, fetch: Callable[[DataFile, Path], Path]) -> None:
        self.shown = shown
        self.bucket = manifest.bucket
        self.created = manifest.created
        """When the scan began, in microseconds since the epoch: what was written later may be missing."""
        self.columns = manifest.columns
        """The names of the columns of each data file, in their order there; the files have no header."""
        self.requests = Requests()
        self._files = manifest.files
        self._fetch = fetch
        self._folder: Path | None = None
        self._paths: tuple[Path, ...] | None = None

    def __enter__(self) -> Inventory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def paths(self) -> tuple[Path, ...]:
        """Return the `.csv.gz` files here on disk, each verified; raises SourceError."""
        if self._paths is None:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="dedupaudit-"))
            self._paths = tuple(self._verified(file) for file in self._files)
        return self._paths

    def pages(self, prefix: str = "") -> Iterator[list[ObjectFact]]:
        """Yield the current objects below a prefix, in no order; raises SourceError where a line is not understood."""
        page: list[ObjectFact] = []
        for path in self.paths():
            for fact in _facts(path, self.columns):
                if fact.key.startswith(prefix):
                    page.append(fact)
                if len(page) == _PAGE:
                    yield page
                    page = []
        if page:
            yield page

    def close(self) -> None:
        """Drop what was fetched."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._paths = None, None

    def _verified(self, file: DataFile) -> Path:
        assert self._folder is not None  # noqa: S101 (paths() made it)
        path = self._fetch(file, self._folder)
        shown = visible(file.key)
        try:
            size = path.stat().st_size
            with path.open("rb") as data:
                md5 = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest().upper()
        except OSError as error:
            raise SourceError(
                f"cannot read {shown} of the inventory {self.shown}: {error.strerror}", "check its permissions"
            ) from None
        if md5 != file.md5 or file.size not in (None, size):
            raise SourceError(
                f"{shown} of the inventory {self.shown} is not what the manifest says: {size:,} bytes, MD5 {md5}",
                "copy it again, whole; or take another inventory",
            )
        return path


def open_local(path: str) -> Inventory:
    """Open the inventory of a manifest.json here on disk; raises SourceError."""
    manifest = Path(path)
    shown = visible(path, 1000)
    raw = _read(manifest, shown)
    checksum = manifest.with_name("manifest.checksum")
    _verify(raw, _read(checksum, visible(str(checksum), 1000)) if checksum.exists() else None, shown)
    folder = Path(os.path.abspath(manifest)).parent

    def fetch(file: DataFile, _: Path) -> Path:
        return _find(folder, file, shown)

    return Inventory(shown, _parse(raw, shown), fetch)


def open_remote(connection: OssConnection, key: str, shown: str) -> Inventory:
    """Open the inventory of a manifest.json in the bucket of a connection; raises SourceError."""
    from dedupaudit.sources.objects.oss_errors import Answer, OssRefusal

    def get(key: str) -> bytes:
        def read(answer: Answer) -> bytes:
            if answer.status != 200:
                raise connection.refused(answer, "get")
            return answer.body

        return connection.ask("get", read, key=key)

    try:
        raw = get(key)
    except OssRefusal as refused:
        if refused.code != "NoSuchKey":
            raise
        raise SourceError(f"there is no inventory {shown}", "name its manifest.json: --inventory oss://…") from None
    checksum: bytes | None
    try:
        checksum = get(key.rpartition("/")[0] + "/manifest.checksum" if "/" in key else "manifest.checksum")
    except OssRefusal as refused:
        if refused.code != "NoSuchKey":
            raise
        checksum = None
    _verify(raw, checksum, shown)

    def fetch(file: DataFile, folder: Path) -> Path:
        target = folder / f"{hashlib.sha256(file.key.encode()).hexdigest()}.csv.gz"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with target.open("wb") as data:
                    connection.stream(file.key, data.write)
                break
            except OssRefusal as refused:
                if refused.code == "NoSuchKey":
                    raise _missing(file, shown) from None
                if refused.status < 500 or attempt == _ATTEMPTS:
                    raise
            except OSError as error:  # the disk's, or the connection's
                if attempt == _ATTEMPTS or error.errno == errno.ENOSPC:
                    reason = error.strerror or "the connection broke"
                    raise SourceError(
                        f"cannot fetch {visible(file.key)} of the inventory {shown}: {reason}",
                        "run again; if a disk is full, set TMPDIR to a folder with room",
                    ) from None
        return target

    inventory = Inventory(shown, _parse(raw, shown), fetch)
    inventory.requests = connection.requests
    return inventory


def _read(path: Path, shown: str) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_MANIFEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a possible name"
        raise SourceError(
            f"cannot read the inventory {shown}: {reason}", "name its manifest.json: --inventory FILE"
        ) from None
    if len(raw) > _LARGEST_MANIFEST:
        raise SourceError(f"{shown} is too large for a manifest", "name the manifest.json of an inventory")
    return raw


def _verify(raw: bytes, checksum: bytes | None, shown: str) -> None:
    if checksum is None:
        return
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest().upper()
    if checksum.strip().strip(b'"').upper() != md5.encode():
        raise SourceError(
            f"the inventory {shown} is not what its manifest.checksum says: its MD5 is {md5}",
            "copy both again, whole; or take another inventory",
        )


def _parse(raw: bytes, shown: str) -> Manifest:
    def wrong(what: str) -> SourceError:
        return SourceError(f"{shown} is no manifest of an OSS inventory: {what}", "name its manifest.json")

    try:
        told: Any = json.loads(raw)
    except (ValueError, RecursionError):
        raise wrong("it is not JSON") from None
    if not isinstance(told, dict):
        raise wrong("it is no JSON object")
    columns = tuple(name.strip() for name in str(told.get("fileSchema", "")).split(","))
    if told.get("fileFormat") != "CSV":
        raise wrong(f"its fileFormat is {visible(told.get('fileFormat'), 40)}, not CSV")
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        # OSS writes the key without being asked: no setting of the inventory brings it back.
        hint = "name the manifest.json as OSS wrote it, or take another inventory"
        if "Key" not in missing:
            fields = "Size, LastModifiedDate, ETag and ObjectType"
            hint = f"add {fields} to the inventory's fields, and wait for the next one"
        raise SourceError(f"the inventory {shown} has no column {', '.join(missing)}", hint)
    if len(set(columns)) != len(columns):
        raise wrong("a column occurs twice in its fileSchema")
    created, bucket, files = str(told.get("creationTimestamp", "")), told.get("sourceBucket"), told.get("files")
    if not re.fullmatch("[0-9]{1,11}", created):
        raise wrong("it has no creationTimestamp")
    if not isinstance(bucket, str) or not isinstance(files, list):
        raise wrong("it has no sourceBucket or no files")
    return Manifest(bucket, int(created) * 1_000_000, columns, tuple(_data_file(file, wrong) for file in files))


def _data_file(told: object, wrong: Callable[[str], SourceError]) -> DataFile:
    if isinstance(told, dict):
        key, md5, size = told.get("key"), told.get("MD5checksum"), told.get("size")
        if isinstance(key, str) and key and isinstance(md5, str) and re.fullmatch("[0-9A-Fa-f]{32}", md5):
            return DataFile(key, size if isinstance(size, int) else None, md5.upper())
    raise wrong("one of its files has no key or no MD5checksum")


def _find(folder: Path, file: DataFile, shown: str) -> Path:
    """Return where a data file lies: as in the bucket, or beside the manifest; never outside of what the key names."""
    parts = [part for part in file.key.split("/") if part]
    if not parts or ".." in parts or "\0" in file.key:
        raise _missing(file, shown)
    name = parts[-1]
    beside = [folder / name, folder / "data" / name, folder.parent / "data" / name]
    as_in_bucket = [above.joinpath(*parts) for above in (folder, *folder.parents)]
    found = next((path for path in [*beside, *as_in_bucket] if path.is_file()), None)
    if found is None:
        raise _missing(file, shown)
    return found


def _missing(file: DataFile, shown: str) -> SourceError:
    return SourceError(
        f"a data file of the inventory {shown} is missing: {visible(file.key)}",
        "copy the inventory's data/ folder beside the folder of its manifest.json, as in the bucket",
    )


def _facts(path: Path, columns: Sequence[str]) -> Iterator[ObjectFact]:
    place = {name: at for at, name in enumerate(columns)}
    key_at, size_at, time_at = (place[name] for name in _NEEDED)
    etag_at, type_at, multipart_at = (place.get(name) for name in ("ETag", "ObjectType", "IsMultipartUploaded"))
    latest_at, deleted_at = place.get("IsLatest"), place.get("IsDeleteMarker")
    line = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            for row in csv.reader(text, strict=True):
                line += 1
                if len(row) != len(columns):
                    raise ValueError(f"{len(row)} columns in place of {len(columns)}")
                if (latest_at is not None and row[latest_at].lower() == "false") or (
                    deleted_at is not None and row[deleted_at].lower() == "true"
                ):
                    continue  # an earlier version, or the mark that the object was deleted
                etag = row[etag_at].strip('"').upper() if etag_at is not None else ""
                normal = type_at is not None and row[type_at] == "Normal"
                parted = multipart_at is not None and row[multipart_at].lower() == "true"
                yield ObjectFact(
                    _key(row[key_at]), int(row[size_at]), _moment(row[time_at]), etag or None, normal and not parted
                )
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, line, str(error)) from None
    except (ValueError, csv.Error) as error:
        raise _unreadable(path, line, str(error)) from None


def _unreadable(path: Path, line: int, why: str) -> SourceError:
    return SourceError(
        f"{visible(str(path), 300)} cannot be read after line {line:,}: {visible(why)}", "take another inventory"
    )


def _key(encoded: str) -> str:
    """Undo the URL encoding of a key; OSS writes a plus as %2B and a space as %20, so a bare + stays what it is."""
    return unquote_to_bytes(encoded).decode("utf-8") if "%" in encoded else encoded


def _moment(text: str) -> int:
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{text} is no time")
    day, hour, minute, second, fraction = match.groups()
    moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second or '00'}{fraction or ''}")
    return to_micros(moment.replace(tzinfo=UTC))
