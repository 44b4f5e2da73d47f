"""overlapping_batches: an item re-queued while its first upload still ran was in flight twice."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import SECOND, Story

_SENDS = ("send", "resend")
_CLOSE = 10 * SECOND
"""Two attempts of one upload loop, one after the other, are further apart than this."""
_WITHIN = 25 * SECOND
"""A client that waits 30 s has not sent once more so soon after a send."""


def rule(story: Story) -> Judgement | None:
    """Compare the second request with the first row: where that was written later, the first upload still ran."""
    if story.differs or story.devices > 1 or story.gaps is None or story.times is None:
        return None
    first, second = story.times[:2]
    inside = story.before(first, "receive")
    if len(inside) > 1:
        span = seconds(first - (inside[1].at or 0))
        why = f"a second request of it reached the backend {span} before the first row was written: two ran at once"
        return Judgement(
            "overlapping_batches", "proved", why, conditions(story), [*story.before(first, *_SENDS), *inside]
        )
    sent = story.before(first, *_SENDS)
    # An earlier send may have been lost on its way. A third one would have come later than this.
    if len(sent) > 1 and second - (sent[1].at or 0) < _WITHIN:
        span = seconds(first - (sent[1].at or 0))
        why = f"sent again {span} before the first row was written: two uploads of it were in flight at once"
        return Judgement("overlapping_batches", "proved", why, conditions(story), sent)
    if max(story.gaps) >= _CLOSE or story.upload or story.received_once or len(story.sends) > 1:
        return None
    why = f"equal rows {seconds(min(story.gaps))} apart, too close for a client that waits for a timeout"
    return Judgement("overlapping_batches", "likely", why, conditions(story))
