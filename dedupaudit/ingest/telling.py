"""What an ingest writes into its log: lines that `dedupaudit logs` reads, so that the writers can be audited too."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Final

from dedupaudit.display import visible
from dedupaudit.redact import scrub

LOGGER: Final = logging.getLogger("dedupaudit.ingest")

# What nearly every ID is: no words can be in it.
_PLAIN = re.compile(r"(?:[A-Za-z]+_)?[0-9A-Fa-f-]+")


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
    LOGGER.warning("not stored %s: %s", Shown(event_id, "not stored %s"), Why(error))


def unrenewed(event_id: object, error: Exception) -> None:
    """Say that a lease could not be begun anew this time."""
    line = "the lease of %s could not be renewed"
    LOGGER.warning(line, Shown(event_id, line))
    why(event_id, error)


def unswept(event_id: object, error: Exception) -> None:
    """Say that the database will not let a claim be taken back: its row stays `uploading`."""
    line = "the claim of %s could not be swept"
    LOGGER.warning(line, Shown(event_id, line))
    why(event_id, error)


def why(event_id: object, error: Exception) -> None:
    """Say what a store or a database said: on a line without the ID, because their words may read as an event of it."""
    cause = getattr(error, "orig", None) or error
    words = scrub(str(cause.args[-1] if cause.args else "")).strip().splitlines() or [type(cause).__name__]
    LOGGER.warning("the reason: %s", visible(words[0].replace(visible(event_id), "…"), 300))


def _say(line: str, event_id: object) -> None:
    LOGGER.info(line, Shown(event_id, line))


class Shown:
    """An ID in a line of the log, made visible only where that is written.

    Clients choose IDs: words of an event in one would make another event of the line, so such an ID is shown as bytes.
    """

    __slots__ = ("_line", "_value")

    def __init__(self, value: object, line: str) -> None:
        self._value = value
        self._line = line

    def __str__(self) -> str:
        shown = visible(self._value)
        if _PLAIN.fullmatch(shown) or _events(self._line % shown) == _events(self._line % "\0"):
            return shown
        return "".join(f"\\x{byte:02x}" for byte in shown.encode("utf-8", "backslashreplace"))


class Why:
    """What an error says, or what it is called where an audit would take its words for an event ("timeout")."""

    __slots__ = ("_error",)

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __str__(self) -> str:
        said = visible(self._error, 1000)
        return type(self._error).__name__ if _events(said) else said


def _events(line: str) -> tuple[str, ...]:
    return _classifier()(line.encode("utf-8", "backslashreplace"))


@cache
def _classifier() -> Callable[[bytes], tuple[str, ...]]:
    from dedupaudit.sources.logs.words import classifier

    return classifier(lossy=False)
