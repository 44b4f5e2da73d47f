"""What tests of `drill` look for when one has ended: schemas, databases, files, keys and processes that it left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

NAMES = "dedupaudit\\_drill\\_%"


def schemas_of(server: PostgresqlServer, database: str) -> list[str]:
    """Return the scratch schemas of a database."""
    found = server.execute(
        f"SELECT nspname FROM pg_namespace WHERE nspname LIKE '{NAMES}' ORDER BY 1", database=database
    )
    return [name for (name,) in found]


def databases_of(server: MariadbServer) -> list[str]:
    """Return the scratch databases of a server."""
    return sorted(name for (name,) in server.execute(f"SHOW DATABASES LIKE '{NAMES}'"))


def descendants(process: int) -> set[int]:
    """Return the processes that a process began, and those that they began."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found: set[int] = set()
    below = {process}
    while below:
        below = {child for child, parent in parents.items() if parent in below} - found
        found |= below
    return found


def alive(processes: Iterable[int]) -> set[int]:
    """Return those that are still there."""
    return {process for process in processes if os.path.exists(f"/proc/{process}")}


def _parent(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
