"""Guesses which column holds the ID, and says why: for tables that nobody configured, and for `init`."""

from __future__ import annotations

import re

from dedupaudit.sources.tables.catalog import Catalog, Column


def guess_key(catalog: Catalog, name: str) -> tuple[tuple[Column, ...], str] | None:
    """Return the key and the reason, or None where nothing looks like one.

    An auto-increment `id` never repeats, so where the real ID stands beside it, that is the key.
    """
    own = _own_id(catalog, name)
    plain = catalog.column("id")
    if own and (plain is None or _counts_rows(catalog, plain)):
        beside = f" beside {plain.name}, which numbers the rows" if plain else ""
        return _whole(catalog, own, f"it is named after the table{beside}")
    if plain and not plain.auto_increment:
        return _whole(catalog, plain, "the usual name")
    if plain:
        return (plain,), (
            f"key {plain.name} guessed, but it is an auto-increment number and can never repeat: "
            f'if another column holds the real ID, name it: [tables.{name}] key = ["COLUMN"]'
        )
    if catalog.primary_key:
        columns = tuple(column for part in catalog.primary_key if (column := catalog.column(part)))
        return columns, "key guessed: it is the primary key"
    return None


def _whole(catalog: Catalog, column: Column, reason: str) -> tuple[tuple[Column, ...], str]:
    """Return one column as the key, or the whole primary key that it is a part of: (device_id, id), say."""
    if column.name in catalog.primary_key and len(catalog.primary_key) > 1:
        columns = tuple(found for part in catalog.primary_key if (found := catalog.column(part)))
        return columns, f"key {', '.join(catalog.primary_key)} guessed: it is the primary key"
    return (column,), f"key {column.name} guessed: {reason}"


def _counts_rows(catalog: Catalog, column: Column) -> bool:
    """Say whether a column only numbers the rows: auto-increment, or an integer that is the primary key by itself."""
    return column.auto_increment or ("INT" in column.declared.upper() and catalog.primary_key == (column.name,))


def _own_id(catalog: Catalog, name: str) -> Column | None:
    for stem in dict.fromkeys((singular(name), singular(catalog.name))):
        for candidate in (f"{stem}_id", f"{stem}Id", f"{stem}_uuid"):
            if column := catalog.column(candidate):
                return column
    return None


def singular(name: str) -> str:
    """Return `activity` for `activities`, `process` for `processes`: enough for names of tables."""
    for plural, ending in ((r"ies$", "y"), (r"(?<=ss)es$", ""), (r"(?<=[^s])s$", "")):
        shorter = re.sub(plural, ending, name, flags=re.IGNORECASE)
        if shorter != name:
            return shorter
    return name
