"""What a run knows of earlier ones while it goes on, and how it becomes one of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.model import Finding, KeyValue, Report, Severity

if TYPE_CHECKING:
    from dedupaudit.config import Settings


@dataclass(frozen=True)
class Problem:
    """A finding that the history has as open, or that was; `since` is when the run that found it first ended."""

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
        """Say whether `take` must see every finding, as with a baseline; otherwise those of the report are enough."""

    @property
    def databases(self) -> dict[str, str]:
        """The identity of each database by its source's name; the run adds each before its findings."""

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

    def __init__(self) -> None:
        self.databases: dict[str, str] = {}

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
def memory_of(settings: Settings) -> Iterator[Memory]:
    """Open the memory that the options ask for.

    Raises UsageError, OutputError or Refused where a history or a baseline that was asked for cannot be used.
    """
    from dedupaudit.history.baseline import is_file
    from dedupaudit.history.store import history_path

    options = settings.options
    path = history_path(options, os.environ)
    baseline = options.baseline
    from_history = baseline is not None and not is_file(baseline)
    if path is None and from_history:
        raise UsageError(
            f"--baseline {visible(baseline)} is in the history, and nothing is kept there: --history none",
            "leave --history out, or name a report's file as the baseline",
        )
    if path is None and baseline is None:
        yield Forgetful()
        return
    from dedupaudit.history.remembering import Remembering
    from dedupaudit.history.scopes import Scopes
    from dedupaudit.history.store import Store, private

    is_asked = from_history or bool(options.notify) or options.history is not None
    with closing(private()) as connection:
        memory = Remembering(
            connection,
            Scopes(settings),
            needs_all=is_asked or baseline is not None,
            masks=bool(options.mask),
        )
        if path:
            store = Store(path, named=options.history is not None)
            memory.begin(store, baseline if from_history else None, is_asked=is_asked)
        if baseline is not None and not from_history:
            memory.hold_against(baseline)
        yield memory
