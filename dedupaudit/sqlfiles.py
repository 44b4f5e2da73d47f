"""Finds and fills the SQL files: `dedupaudit/sql` in an installed wheel, `sql/` beside the package in a checkout."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@cache
def sql_root() -> Path:
    """Return the folder that holds `scan/`, `checks/` and `schema/`."""
    installed = _PACKAGE / "sql"
    return installed if installed.is_dir() else _PACKAGE.parent / "sql"


@cache
def sql_text(name: str) -> str:
    """Return one file's statement without its header of comments; `name` is like `scan/sqlite/survey.sql`."""
    lines = (sql_root() / name).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip()


def fill(template: str, fragments: dict[str, str]) -> str:
    """Replace each `{name}` once. What is put in is not looked at again, so braces in foreign SQL stay as they are.

    Raises KeyError for a placeholder that nobody filled: a mistake in the program, not in its input.
    """
    return _PLACEHOLDER.sub(lambda match: fragments[match[1]], template)
