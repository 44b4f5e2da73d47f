"""An inventory of OSS: what a bucket held when it was scanned, read from files in place of paid-for listings.

The manifest and every data file are checked against their MD5 before a line is believed; the embedded engine reads
the lines. Objects written after `created` may be missing in it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.sources.objects.protocol import Requests

if TYPE_CHECKING:
    from dedupaudit.sources.objects.oss_connection import OssConnection

_ATTEMPTS = 4
_LARGEST_MANIFEST = 64_000_000
_NEEDED = ("Key", "Size", "LastModifiedDate")


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

    def __init__(
        self,
        shown: str,
        manifest: Manifest,
        fetch: Callable[[DataFile, Path], Path],
        end: Callable[[], None] = lambda: None,
    ) -> None:
        """`fetch` brings a data file into a folder if it is not on this machine; `end` is called at the end."""
        self.shown = shown
        self.bucket = manifest.bucket
        self.created = manifest.created
        """When the scan began, in microseconds since the epoch: what was written later may be missing."""
        self.columns = manifest.columns
        """The names of the columns of each data file, in their order there; the files have no header."""
        self.requests = Requests()
        self._files = manifest.files
        self._fetch = fetch
        self._end = end
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

    def close(self) -> None:
        """Drop what was fetched, and end the connection that it came by."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._paths = None, None
        self._end()

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
    """Open the inventory of a manifest.json in the bucket of a connection, which ends with it; raises SourceError."""
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

    inventory = Inventory(shown, _parse(raw, shown), fetch, connection.close)
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
