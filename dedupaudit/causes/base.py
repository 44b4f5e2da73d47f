"""What a rule answers: a cause with its reason and the log lines that it rests on, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dedupaudit.causes.story import Story
from dedupaudit.model import Confidence
from dedupaudit.sources.logs.protocol import LogEvent


class Judgement(NamedTuple):
    """A cause: how sure it is, why in one sentence, what let it happen, and the lines that show it."""

    name: str
    confidence: Confidence
    why: str
    enabled_by: tuple[str, ...] = ()
    lines: Sequence[LogEvent] = ()


Rule = Callable[[Story], Judgement | None]


def conditions(story: Story, *, retried: bool = True) -> tuple[str, ...]:
    """Return what let a repeated item become a row: no constraint refused it, and no code looked for it."""
    return tuple(
        name for name, held in (("missing_unique", story.unguarded), ("no_idempotency_check", retried)) if held
    )


def seconds(micros: float) -> str:
    """Return a span for people: `40 ms`, `3.1 s`, `60.0 s`, `4 min`."""
    if micros < 1_000_000:
        return f"{micros / 1000:.0f} ms"
    if micros < 180_000_000:
        return f"{micros / 1_000_000:.1f} s"
    return f"{micros / 60_000_000:.0f} min" if micros < 7_200_000_000 else f"{micros / 3_600_000_000:.1f} h"
