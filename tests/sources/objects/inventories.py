"""Makes inventories as OSS writes them: a manifest with its checksum, and data files of lines."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

COLUMNS = ["Bucket", "Key", "Size", "LastModifiedDate", "ETag", "IsMultipartUploaded", "ObjectType"]
FOLDER = "lists/pictures/daily/2026-01-02T00-00Z"
DATA = "lists/pictures/daily/data"
CREATED = 1_767_312_000
"""When the inventory was taken, in seconds since the epoch."""


def md5(raw: bytes) -> str:
    return hashlib.md5(raw, usedforsecurity=False).hexdigest().upper()


def zipped(rows: Sequence[Sequence[str]], **dialect: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, **{"quoting": csv.QUOTE_ALL, **dialect}).writerows(rows)
    return gzip.compress(text.getvalue().encode())


def row(key: str, *more: str, kind: str = "Normal") -> list[str]:
    """Return a line with the columns that are usual."""
    return ["pictures", quote(key, safe=""), "7", "2026-01-01T10:11:12.000Z", '"00FF"', "false", kind, *more]


def files_of(rows: Sequence[Sequence[Sequence[str]]], columns: Sequence[str], **changes: Any) -> dict[str, bytes]:
    """Return the files of an inventory by their keys."""
    return manifest_of([zipped(part) for part in rows], columns, **changes)


def manifest_of(parts: Sequence[bytes], columns: Sequence[str], **changes: Any) -> dict[str, bytes]:
    """Return the files of an inventory whose data files have these bytes."""
    made = {f"{DATA}/{number}.csv.gz": part for number, part in enumerate(parts)}
    told = {
        "creationTimestamp": str(CREATED),
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
    """Write the files of an inventory into a folder, and return the path of its manifest."""
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return str(folder / FOLDER / "manifest.json")
