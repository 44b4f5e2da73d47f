"""What an ingest writes into its log: lines that `dedupaudit logs` reads, so that the writers can be audited too."""

from __future__ import annotations

import logging
import time
from typing import Final

from dedupaudit.display import visible

LOGGER: Final = logging.getLogger("dedupaudit.ingest")


class LogFormatter(logging.Formatter):
    """Writes `2025-12-24T08:01:14.500Z text`: a time in UTC that the audit can place beside the client's."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s")
        self.converter = time.gmtime


def is_on() -> bool:
    """Say whether anybody listens: a batch of hundreds of events asks once."""
    return LOGGER.isEnabledFor(logging.INFO)


def received(event_id: object) -> None:
    """Say that an event has come."""
    _say("received %s", event_id)


def written(event_id: object) -> None:
    """Say that its row is committed."""
    _say("written to the database %s", event_id)


def answered(event_id: object) -> None:
    """Say that the client's answer is on its way; the handler calls this, last of all."""
    _say("answer sent %s", event_id)


def already(event_id: object) -> None:
    """Say that it was stored before."""
    _say("[Idempotent] %s already exists", event_id)


def waiting(event_id: object) -> None:
    """Say that another request uploads this picture."""
    _say("[Concurrent] %s upload in progress, waiting", event_id)


def again(event_id: object) -> None:
    """Say that an earlier upload of this picture came to nothing."""
    _say("[Retry] %s failed before, uploading again", event_id)


def upload_done(event_id: object) -> None:
    """Say that its object is there, and its row completed."""
    _say("[Screenshot] upload done: %s", event_id)


def upload_failed(event_id: object) -> None:
    """Say that its object could not be written."""
    _say("[Screenshot] upload failed: %s", event_id)


def refused(event_id: object, error: Exception) -> None:
    """Say that an event was not stored, and why; the audit counts no event of it."""
    LOGGER.warning("not stored %s: %s", _Shown(event_id), error)


def _say(line: str, event_id: object) -> None:
    LOGGER.info(line, _Shown(event_id))


class _Shown:
    """An ID, made visible only where a line is written."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return visible(self._value)
