"""timeout_retry: the answer was lost or late, the client gave up, re-queued the item, and sent it again."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import SECOND, Story
from dedupaudit.sources.logs.protocol import LogEvent

_SOONEST, _LATEST = 25 * SECOND, 95 * SECOND
"""How far apart the rows of retries are: a timeout of 30 s, and up to a minute until the next turn."""


def rule(story: Story) -> Judgement | None:
    """Look for a sign that the client gave up between one row and the next."""
    if story.devices > 1 or story.gaps is None or story.times is None:
        return None
    signs = _signs(story)
    span = _span(story.gaps)
    if signs:
        of = f"{len(signs)} of {len(story.gaps)}" if len(signs) < len(story.gaps) else "each"
        what = _what(story, signs[0])
        why = f"{what} between one row and the next ({of}), and the rows are {span} apart"
        sure = not story.differs and _came_later(story)
        lines = [*signs, *story.of("resend")]
        return Judgement("timeout_retry", "proved" if sure else "likely", why, conditions(story), lines)
    if story.differs or story.received_once or not all(_SOONEST <= gap <= _LATEST for gap in story.gaps):
        return None
    why = f"equal rows {span} apart, as a client leaves them that waits 30 s and sends again"
    if len(story.of("receive")) > 1:
        why += "; the backend received it more than once"
    return Judgement("timeout_retry", "likely", why, conditions(story))


def _came_later(story: Story) -> bool:
    """Say whether the request of each row is known to have come after the row before it.

    A request that the backend received in between is the next row's. Of a send in between that is sure only where no
    second one went before the first row.
    """
    times = story.times or ()
    pairs = list(zip(times, times[1:], strict=False))
    if all(story.between(earlier, later, "receive") for earlier, later in pairs):
        return True
    once = len(story.before(times[0], "send", "resend")) <= 1
    return once and all(story.between(earlier, later, "send", "resend") for earlier, later in pairs)


def _what(story: Story, sign: LogEvent) -> str:
    """Say what the sign means, and after how long the client gave up."""
    if sign.event == "response_lost":
        return "the answer was lost"
    before = [event.at for event in story.sends if event.at is not None and event.at <= (sign.at or 0)]
    after = f" after {seconds((sign.at or 0) - before[-1])}" if before else ""
    return f"the client gave up{after} and re-queued it"


def _signs(story: Story) -> list[LogEvent]:
    """Return a sign for each gap that has one: an item that came back after the row before it was written."""
    found: list[LogEvent] = []
    times = story.times or ()
    for earlier, later in zip(times, times[1:], strict=False):
        sign = story.gave_up_between(earlier, later)
        if sign is not None:
            found.append(sign)
    return found


def _span(gaps: tuple[int, ...]) -> str:
    least, most = seconds(min(gaps)), seconds(max(gaps))
    return least if least == most else f"{least} to {most}"
