"""Finds the damage in `app.db` a second time, row by row in plain Python: it shares no code with the package."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

TABLES = ("activities", "screenshots", "processes")
UPLOAD = {"status", "oss_key", "oss_url", "file_size", "etag", "retry_count"}
FURTHEST = ("completed", "uploading", "failed", "pending")

Found = tuple[str, str, str | None, int | None, str | None, tuple[str, ...]]


def read(database: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database.as_uri() + "?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY seq")]


def totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    times = Counter(row["id"] for row in rows if row["id"] is not None)
    repeated = [count for count in times.values() if count > 1]
    return {
        "rows": len(rows),
        "distinct_ids": len(times),
        "duplicate_ids": len(repeated),
        "duplicate_rows": sum(repeated),
        "surplus_rows": sum(repeated) - len(repeated),
        "null_ids": sum(row["id"] is None for row in rows),
        "blank_ids": sum(row["id"] is not None and not row["id"].strip() for row in rows),
    }


def findings(rows: list[dict[str, Any]], table: str) -> Counter[Found]:
    """Return (check, table, ID, count, class, differing columns) of everything that is wrong, but for constraints."""
    found: Counter[Found] = Counter()
    by_id = defaultdict(list)
    for row in rows:
        by_id[row["id"]].append(row)
    counts = totals(rows)
    for check in ("null_ids", "blank_ids"):
        if counts[check]:
            found[(check, table, None, counts[check], None, ())] += 1
    folds = defaultdict(set)
    for key, group in by_id.items():
        if key is None:
            continue
        folds[unicodedata.normalize("NFKC", key).casefold().strip()].add(key)
        if len(group) > 1:
            row_class, differs = classify(group)
            found[("duplicate_ids", table, key, len(group), row_class, differs)] += 1
    for variants in folds.values():
        if len(variants) > 1:
            found[("near_equal_ids", table, min(variants), len(variants), None, ())] += 1
    if table == "screenshots":
        for row in rows:
            for check in states(row):
                found[(check, table, row["id"], 1, None, ())] += 1
    return found


def object_findings(rows: list[dict[str, Any]], sizes: dict[str, int]) -> Counter[Found]:
    """Return the same of rows held against objects; what no row owns is told of `objects`, by its key."""
    found: Counter[tuple[str, str, str | None]] = Counter()
    ids = defaultdict(set)
    for item, group in grouped(rows).items():
        owned = {key_of(row) for row in group if row["status"] not in ("pending", "uploading", "failed")}
        for row in group:
            key, size, done = key_of(row), row["file_size"], row["status"] == "completed"
            ids[key].add(item)
            found["missing_object", "screenshots", item] += done and key not in sizes
            found["size_mismatch", "screenshots", item] += done and size is not None and sizes.get(key, size) != size
            found["unexpected_object", "screenshots", item] += key in sizes and key not in owned
            found["misplaced_object", "screenshots", item] += key != from_template(row)
    for key in sizes:
        found["orphan_object", "objects", key] += key not in ids
        found["shared_object", "objects", key] += len(ids[key]) if len(ids[key]) > 1 else 0
    return Counter((check, target, key, count, None, ()) for (check, target, key), count in found.items() if count)


def grouped(rows: list[dict[str, Any]]) -> dict[str | None, list[dict[str, Any]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["id"]].append(row)
    return groups


def key_of(row: dict[str, Any]) -> str:
    return str(row["oss_key"] or from_template(row))


def from_template(row: dict[str, Any]) -> str:
    return f"screenshots/{row['device_id']}/{row['id']}.jpg"


def stored(folder: Path) -> dict[str, int]:
    root = folder / "objects"
    return {path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()}


def classify(group: list[dict[str, Any]]) -> tuple[str, tuple[str, ...]]:
    columns = [name for name in group[0] if name not in ("seq", "created_at", "updated_at")]
    differs = tuple(sorted(name for name in columns if len({value(name, row) for row in group}) > 1))
    if not differs:
        return "identical", ()
    if "status" in columns and set(differs) <= UPLOAD and all(row["status"] in FURTHEST for row in group):
        furthest = min(FURTHEST.index(row["status"]) for row in group)
        last = [row for row in group if row["status"] == FURTHEST[furthest]]
        told = [{row[name] for row in last if row[name] is not None} for name in ("oss_key", "oss_url", "file_size")]
        if all(len(values) <= 1 for values in told):
            return "mergeable", differs
    return "conflicting", differs


def value(column: str, row: dict[str, Any]) -> Any:
    return json.dumps(json.loads(row[column]), sort_keys=True) if column == "data" else row[column]


def states(row: dict[str, Any]) -> list[str]:
    wrong = []
    blank_key, blank_url = (not (row[name] or "").strip() for name in ("oss_key", "oss_url"))
    if row["status"] not in FURTHEST:
        wrong.append("illegal_state")
    if row["status"] in ("pending", "uploading") and (row["updated_at"] or row["created_at"]) < "2026":
        wrong.append("stuck_upload")
    if row["status"] == "completed" and (blank_key or blank_url):
        wrong.append("incomplete_row")
    if row["status"] in ("pending", "uploading", "failed") and not blank_key:
        wrong.append("incomplete_row")
    return wrong
