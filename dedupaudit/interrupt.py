"""A signal that asks the run to stop: set by main's handler, looked at wherever the run waits."""

from __future__ import annotations

from dataclasses import dataclass, field

from dedupaudit.errors import Cancelled


@dataclass
class Interrupt:
    """Mutable on purpose: a signal handler may do little more than write down that it was called."""

    signum: int | None = None

    def check(self) -> None:
        """Raise Cancelled if a signal came."""
        if self.signum is not None:
            raise Cancelled(self.signum)


@dataclass
class Runtime:
    """What commands share with main: the interrupt that signals set, and whether -v was given."""

    interrupt: Interrupt = field(default_factory=Interrupt)
    verbose: bool = False
