"""What a run knows of earlier ones while it goes on, and how it becomes one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from dedupaudit.model import Finding, Report

if TYPE_CHECKING:
    from dedupaudit.config import Settings


class Memory(Protocol):
    """Earlier runs, as one run sees them."""

    @property
    def needs_all(self) -> bool:
        """Say whether `take` must see every finding; otherwise those of the report are enough."""

    @property
    def has_baseline(self) -> bool:
        """Say whether findings are marked as new or known, so that only new ones fail."""

    def mark(self, finding: Finding) -> Finding:
        """Return a confirmed finding with `news` and `known_since`; without a baseline the finding itself."""

    def take(self, finding: Finding) -> None:
        """Note that a finding is there."""

    def compared(self, report: Report) -> Report:
        """Return the report with what is new and gone, its findings marked, and `last_complete_at`."""

    def keep(self, report: Report, exit_code: int) -> None:
        """Make the run one of the earlier ones; a failure is told, and ends nothing."""

    def withdraw(self) -> None:
        """Undo `keep`: nobody got to see the report."""


class Forgetful:
    """No history and no baseline."""

    needs_all = False
    has_baseline = False

    def mark(self, finding: Finding) -> Finding:
        """Return the finding itself."""
        return finding

    def take(self, finding: Finding) -> None:
        """Note nothing."""

    def compared(self, report: Report) -> Report:
        """Return the report itself."""
        return report

    def keep(self, report: Report, exit_code: int) -> None:
        """Keep nothing."""

    def withdraw(self) -> None:
        """Take nothing back."""


@contextmanager
def memory_of(settings: Settings) -> Iterator[Memory]:  # noqa: ARG001
    """Open the memory that the options ask for."""
    yield Forgetful()
