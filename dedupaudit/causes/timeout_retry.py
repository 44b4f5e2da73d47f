"""timeout_retry: the answer was lost or late, the client gave up, re-queued the item, and sent it again."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import LONGEST, SECOND, Story
from dedupaudit.sources.logs.protocol import LogEvent

_SOONEST, _LATEST = 25 * SECOND, 95 * SECOND
"""How far apart the rows of retries are: a timeout of 30 s, and up to a minute until the next turn."""


def rule(story: Story) -> Judgement | None:
    """Look for a send between one row and the next: the client gave up on what was stored already."""
    if story.devices > 1 or story.gaps is None or story.times is None:
        return None
    least, most = seconds(min(story.gaps)), seconds(max(story.gaps))
    span = least if least == most else f"{least} to {most}"
    signs = [sign for sign, (earlier, later) in story.signs if later - earlier <= 2 * LONGEST]
    # Of a backend that looks for the ID a request that came after the first row makes no second: not often, that is.
    looks = story.upload and story.checking
    plausible = not looks or story.each_sent_later
    if signs and plausible and _fits(story, len(signs)):
        of = f"{len(signs)} of {len(story.gaps)}" if len(signs) < len(story.gaps) else "each"
        why = f"{_what(story, signs[0])} between one row and the next ({of}), and the rows are {span} apart"
        sure = not story.differs and not looks and story.each_sent_later
        lines = [*signs, *story.of("resend")]
        return Judgement("timeout_retry", "proved" if sure else "likely", why, conditions(story), lines)
    if story.differs or not plausible:
        return None
    if _in_step(story):
        why = f"the client sent it again, and the rows are {span} apart as the sends are"
        return Judgement("timeout_retry", "likely", why, conditions(story), story.sends)
    if min(story.gaps) >= _SOONEST and max(story.gaps) <= LONGEST and story.each_received_later:
        why = (
            f"the backend received it once for each row, and the rows are {span} apart, as a client sends that gave up"
        )
        return Judgement("timeout_retry", "likely", why, conditions(story), story.of("receive"))
    if story.events or not all(_SOONEST <= gap <= _LATEST for gap in story.gaps):
        return None
    why = f"equal rows {span} apart, as a client leaves them that waits 30 s and sends again"
    return Judgement("timeout_retry", "likely", why, conditions(story))


def _fits(story: Story, signs: int) -> bool:
    """Say whether no more than one send went before the first row, or what the backend received fits all the same."""
    if len(story.sent_early) <= 1:
        return True
    far = story.gaps is not None and min(story.gaps) >= _SOONEST
    return signs == len(story.pairs) and (far or story.each_received_later)


def _in_step(story: Story) -> bool:
    """Say whether rows follow each other as sends do: that holds whatever the client's clock says."""
    times = [event.at for event in story.sends if event.at is not None]
    if len(times) != story.count or story.gaps is None:
        return False
    between = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    return all(gap >= _SOONEST and abs(gap - row) <= 2 * SECOND for gap, row in zip(between, story.gaps, strict=True))


def _what(story: Story, sign: LogEvent) -> str:
    """Say what the sign means, and after how long the client gave up."""
    if sign.event == "response_lost":
        return "the answer was lost"
    if sign.event == "resend":
        return "the client sent it again"
    before = [event.at for event in story.sends if event.at is not None and event.at <= (sign.at or 0)]
    after = f" after {seconds((sign.at or 0) - before[-1])}" if before else ""
    return f"the client gave up{after} and re-queued it"
