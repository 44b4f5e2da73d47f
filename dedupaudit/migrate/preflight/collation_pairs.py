"""Keys that differ byte by byte and are one to the unique index."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.display import visible
from dedupaudit.migrate.facts import Facts, KeyColumn
from dedupaudit.migrate.plan import Concern
from dedupaudit.migrate.preflight.base import Asked, note, quote, warning


def look(facts: Facts, asked: Asked) -> Iterator[Concern]:
    """Show the pairs that only the collation makes equal; else say which collation will judge."""
    loose = [column for column in facts.key if column.indexable and not column.bytewise]
    judge = ", ".join(
        f"{visible(column.name)} by {visible(column.collation) if column.collation else visible(column.declared)}"
        for column in loose
    )
    if facts.duplicates.pairs:
        shown = "; ".join(f"{_key(pair.first)} and {_key(pair.second)}" for pair in facts.duplicates.pairs[:5])
        yield warning(
            f"keys of {visible(asked.table)} that differ byte by byte are one to its unique index"
            f"{f' ({judge})' if judge else ''}: {shown}",
            "if two of them are one event, write its ID in one way and plan again"
            + (f"; if they are two, compare bytes first: {_bytewise(facts, asked, loose)}" if loose else ""),
        )
    elif loose:
        yield note(
            f"the unique index of {visible(asked.table)} compares {judge}, not byte by byte: no stored keys clash"
        )


def _key(parts: tuple[str, ...]) -> str:
    # A pair that looks the same on screen says nothing: quotes show the spaces.
    shown = [visible(part) for part in parts]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"


def _bytewise(facts: Facts, asked: Asked, loose: list[KeyColumn]) -> str:
    column = loose[0]
    name = quote(facts.product, column.name)
    match facts.product:
        case "postgresql":
            return f'ALTER TABLE {asked.quoted} ALTER COLUMN {name} TYPE text COLLATE "C"'
        case "sqlite":
            return f"make the table anew with {name} TEXT COLLATE BINARY"
        case _:
            characters = column.collation.partition("_")[0] or "utf8mb4"
            # A plain _bin collation pads: it takes 'a' and 'a ' for one key.
            if facts.product == "mariadb":
                exact = f"{characters}_nopad_bin"
            else:
                exact = "utf8mb4_0900_bin" if characters == "utf8mb4" else f"{characters}_bin"
            return (
                f"ALTER TABLE {asked.quoted} MODIFY {name} {column.declared} CHARACTER SET {characters}"
                f" COLLATE {exact}, with the column's other attributes as SHOW CREATE TABLE has them"
            )
