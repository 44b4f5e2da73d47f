"""overlapping_batches: an item re-queued while its first upload still ran was in flight twice."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import SECOND, Story

_CLOSE = 10 * SECOND
"""Two attempts of one upload loop, one after the other, are further apart than this."""


def rule(story: Story) -> Judgement | None:
    """Compare the second send with the first row: where that was written later, the first upload still ran."""
    if story.differs or story.devices > 1 or story.gaps is None or story.first_row is None:
        return None
    early = [event for event in story.sends if event.at is not None and event.at < story.first_row]
    if len(early) > 1 and min(story.gaps) < _CLOSE:
        span = seconds(story.first_row - (early[1].at or 0))
        why = f"sent again {span} before the first row was written: two uploads of it were in flight at once"
        return Judgement("overlapping_batches", "proved", why, conditions(story), early)
    if max(story.gaps) >= _CLOSE or story.upload or story.received_once or len(story.sends) > 1:
        return None
    why = f"equal rows {seconds(min(story.gaps))} apart, too close for a client that waits for a timeout"
    return Judgement("overlapping_batches", "likely", why, conditions(story))
