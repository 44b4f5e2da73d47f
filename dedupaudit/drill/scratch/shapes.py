"""The tables of a scratch schema: the target schema as it is, with a version, or as production's tables often are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dedupaudit.drill.protocol import Shape
from dedupaudit.migrate.target_create import statements
from dedupaudit.migrate.target_schema import Dialect

TABLES: Final = ("screenshots", "activities", "processes")
FUNCTION: Final = "screenshots_set_updated_at"
"""Of PostgreSQL's trigger."""

_ID = re.compile(r"^( *)id (\S+)(?: NOT NULL)? PRIMARY KEY", re.MULTILINE)
_COUNTED: Final = {
    "postgresql": "bigserial PRIMARY KEY",
    "mysql": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
}


def statements_of(dialect: Dialect, shape: Shape, names: Mapping[str, str], schema: str = "") -> list[str]:
    """Return what makes the tables, whose quoted names are given; `schema` is the quoted one of the function."""
    made = statements(dialect, dict(names), schema)
    if shape == "versioned":
        made.append(f"ALTER TABLE {names['screenshots']} ADD COLUMN version BIGINT NOT NULL DEFAULT 0")
    elif shape == "bare":
        made = [_ID.sub(rf"\1row_id {_COUNTED[dialect]},\n\1id \2 NOT NULL", text) for text in made]
        # In SQLite an index names its schema and not its table's.
        made += [f"CREATE INDEX {table}_id ON {names[table]} (id)" for table in TABLES]
    return made
