"""`--notify URL`: tells of what is new, once, and of what is gone, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dedupaudit.errors import AuditError
from dedupaudit.history.memory import Memory
from dedupaudit.model import SEVERITIES, Report, Severity
from dedupaudit.notifying.message import FIRST, message_of
from dedupaudit.notifying.receivers import Receiver, receivers_of
from dedupaudit.saying import say

if TYPE_CHECKING:
    from dedupaudit.config import Options

__all__ = ["Receiver", "notify", "receivers_of"]


def notify(receivers: Sequence[Receiver], options: Options, report: Report, memory: Memory) -> bool:
    """Tell each receiver what it was not told yet; return False where one could not be, which is said on stderr.

    A receiver that could not be told is told by the next run; the others are not told again.
    """
    tolerated = [(one.source, one.target, one.check) for one in report.summary.thresholds if not one.exceeded]
    all_told = True
    for receiver in receivers:
        try:
            news = memory.untold(receiver.ident, _severities(options.fail_on), tolerated, FIRST)
            if not news:
                continue
            failure = receiver.send(message_of(news, report.run))
            if failure is None:
                memory.mark_told(receiver.ident)
        except AuditError as error:
            failure = error.message
        if failure is not None:
            all_told = False
            say("notify.failed", f"{receiver.name} was not told: {failure}; the next run tries again")
    return all_told


def _severities(fail_on: str) -> tuple[Severity, ...]:
    """Return which findings are told of: those that fail the run; all, where none does."""
    return SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else SEVERITIES
