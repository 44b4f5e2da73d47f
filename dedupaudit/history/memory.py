"""What a run knows of earlier ones while it goes on, and how it becomes one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dedupaudit.model import Finding, KeyValue, Report, Severity

if TYPE_CHECKING:
    from dedupaudit.config import Settings


@dataclass(frozen=True)
class Problem:
    """A finding that the history has as open, or that was; `since` is when the run that found it first began."""

    check: str
    severity: Severity
    source: str
    target: str
    key: dict[str, KeyValue]
    since: str


@dataclass(frozen=True)
class Unlooked:
    """A check that could not look at its target (`*`: at anything of the source), or that can again."""

    source: str
    target: str
    check: str
    reason: str
    since: str


@dataclass(frozen=True)
class News:
    """What a receiver was not told yet: totals, and the first few of each."""

    opened: int = 0
    opened_by_severity: dict[Severity, int] = field(default_factory=dict)
    opened_first: tuple[Problem, ...] = ()
    closed: int = 0
    closed_first: tuple[Problem, ...] = ()
    unlooked: tuple[Unlooked, ...] = ()
    looked_again: tuple[Unlooked, ...] = ()

    def __bool__(self) -> bool:
        """Say whether there is anything to tell."""
        return bool(self.opened or self.closed or self.unlooked or self.looked_again)


Where = tuple[str, str, str]
"""A source, a target and a check."""


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

    def untold(
        self, receiver: str, severities: Collection[Severity], tolerated: Collection[Where] = (), first: int = 10
    ) -> News:
        """Return what `receiver` (a name that is no secret: a URL's hash) was not told yet; after `keep`.

        Findings count that are open still, of these severities, and not where they are tolerated; and those that the
        receiver was told of and that are gone. Raises OutputError where the run could not be kept.
        """

    def mark_told(self, receiver: str) -> None:
        """Note that the receiver knows what `untold` returned last for it; without this it is returned again."""


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

    def untold(
        self,
        receiver: str,  # noqa: ARG002
        severities: Collection[Severity],  # noqa: ARG002
        tolerated: Collection[Where] = (),  # noqa: ARG002
        first: int = 10,  # noqa: ARG002
    ) -> News:
        """Return nothing: without a history nobody knows what is new."""
        return News()

    def mark_told(self, receiver: str) -> None:
        """Note nothing."""


@contextmanager
def memory_of(settings: Settings) -> Iterator[Memory]:  # noqa: ARG001
    """Open the memory that the options ask for."""
    yield Forgetful()
