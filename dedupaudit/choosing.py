"""Chooses the checks that a run is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.nearest import nearest


class Named(Protocol):
    """What has a name: a check."""

    @property
    def name(self) -> str:
        """Return the name."""


C = TypeVar("C", bound=Named)


def choose(registry: Sequence[C], wanted: Sequence[str], skipped: Sequence[str], command: str) -> tuple[C, ...]:
    """Return the checks to run, in the registry's order; raises UsageError for a name that no check has."""
    names = [check.name for check in registry]
    for name in (*wanted, *skipped):
        if name not in names:
            guess = nearest(name, names)
            raise UsageError(
                f"no check of {command} is called {visible(name)}",
                f"did you mean {guess}?" if guess else f"the checks are {', '.join(names)}",
            )
    chosen = tuple(check for check in registry if check.name in (wanted or names) and check.name not in skipped)
    if not chosen:
        raise UsageError("every check is skipped, so there is nothing to do", "leave out a --skip-check")
    return chosen
