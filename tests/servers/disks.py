"""Disks of a few megabytes, for a database that is to find its disk full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.servers.postgresql import PostgresqlServer


class SmallDisk:
    """A tmpfs of so many megabytes; `grow` makes it large."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder = folder
        self._do("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs")

    def grow(self) -> None:
        """Give it room."""
        self._do("mount", "-o", "remount,size=64m")

    def close(self) -> None:
        """Take it away."""
        self._do("umount", "-l")

    def _do(self, *words: str) -> None:
        done = subprocess.run([*words, str(self._folder)], capture_output=True, check=False)
        if done.returncode:
            reason = f"no small disk can be made here: {done.stderr.decode(errors='replace')}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


@contextmanager
def small_tablespace(server: PostgresqlServer, space: str, database: str, megabytes: int) -> Iterator[SmallDisk]:
    """Make an empty database, and a tablespace on a small disk of its own."""
    folder = server.folder / space
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        disk = SmallDisk(folder, megabytes)
        stack.callback(disk.close)
        place = folder / "space"
        place.mkdir()
        owner = server.data.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        place.chmod(0o700)
        server.execute(f"CREATE TABLESPACE {space} LOCATION '{place}'")
        stack.callback(server.execute, f"DROP TABLESPACE {space}")
        server.create_database(database)
        stack.callback(server.drop_database, database)
        yield disk
