"""How far a long step has come: sources tell it, and a command decides whether anybody sees it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told by a source; one step at a time. None of these raises, and each is cheap enough for a tight loop."""

    def start(self, label: str, total: int | None, unit: str = "rows") -> None:
        """Begin a step of `total` rows, or what `unit` says (None where nobody knows); `label` is fit to be shown."""

    def advance_to(self, rows: int) -> None:
        """Say how many rows, or other units, of the step are done."""

    def finish(self) -> None:
        """End the step; harmless where none has begun."""


class _Silent:
    """Progress that nobody sees."""

    def start(self, label: str, total: int | None, unit: str = "rows") -> None:
        """Say nothing."""

    def advance_to(self, rows: int) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""


SILENT: Progress = _Silent()
