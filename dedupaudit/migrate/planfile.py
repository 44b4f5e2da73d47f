"""Writes and reads the plan files of migrations."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from dedupaudit.migrate.plan import MigrateHeader, Step
from dedupaudit.repair.sealed import SealedFile, written


def write_migration(out: BinaryIO, header: MigrateHeader, steps: Sequence[Step]) -> None:
    """Write a plan."""
    deque(written(out, header, steps), maxlen=0)


class MigrationFile(SealedFile):
    """A migration's plan: header, hash and steps."""

    kind = "migrate"

    def __init__(self, path: Path) -> None:
        self.steps: tuple[Step, ...] = ()
        super().__init__(path)

    def take_header(self, raw: bytes) -> None:
        """Read the first line."""
        self.header = self.parsed(MigrateHeader, raw, 0)

    def take(self, raw: bytes, number: int) -> None:
        """Read a step."""
        self.steps += (self.parsed(Step, raw, number),)

    def finish(self) -> None:
        """See that it says one thing."""
        if any(concern.level == "refusal" for concern in self.header.concerns):
            raise self.broken("what it was made for was refused")
        if len({step.name for step in self.steps}) != len(self.steps):
            raise self.broken("it has one step twice")
        if bool(self.steps) == bool(self.header.protecting):
            raise self.broken("its header tells of other steps than its lines")
