"""overlapping_batches: an item re-queued while its first upload still ran was in flight twice."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import IN_DOUBT, SECOND, Story

_SENDS = ("send", "resend")
_CLOSE = 5 * SECOND
"""Two attempts of one upload loop, one after the other, are further apart than this."""
_WITHIN = 25 * SECOND
"""A client that waits 30 s has not sent once more so soon after a send."""


def rule(story: Story) -> Judgement | None:
    """Compare the second request with the first row: where that was written later, the first upload still ran."""
    if story.differs or story.devices > 1 or story.gaps is None or story.times is None:
        return None
    first, second = story.times[:2]
    inside, sent = story.before(first, "receive"), story.sent_early
    # One that died without a word made no row, and the row is a third one's, which came later than this.
    if len(inside) > 1 and story.each_request_made_a_row and second - (inside[1].at or 0) < _WITHIN:
        span = seconds(first - (inside[1].at or 0))
        return _said(story, f"a second request of it reached the backend {span} before the first row was written")
    # An earlier send may have been lost on its way. A third one would have come later than this.
    if len(sent) > 1 and second - (sent[1].at or 0) < _WITHIN:
        span = seconds(first - (sent[1].at or 0))
        return _said(story, f"sent again {span} before the first row was written")
    if len(inside) > 1 and story.each_request_made_a_row and not story.upload:
        why = "more than one request of it was in the backend before the first row was written"
        return Judgement("overlapping_batches", "likely", why, conditions(story), [*sent, *inside])
    if len(sent) == story.count == len(story.before(story.times[-1], *_SENDS)) and not story.upload:
        why = f"all {story.count} sends of it went before the first row was written"
        return Judgement("overlapping_batches", "likely", why, conditions(story), sent)
    close = story.before(first + IN_DOUBT, *_SENDS) if story.clocks and not story.upload else []
    if len(close) > 1 and second - (close[1].at or 0) < _WITHIN:
        why = "sent again when the first row was about to be written: two uploads of it were in flight at once"
        return Judgement("overlapping_batches", "likely", why, conditions(story), close)
    if story.logs or max(story.gaps) >= _CLOSE:
        return None
    why = f"equal rows {seconds(min(story.gaps))} apart, too close for a client that waits for a timeout"
    return Judgement("check_then_act" if story.upload else "overlapping_batches", "likely", why, conditions(story))


def _said(story: Story, what: str) -> Judgement:
    """Return the judgement on two uploads that were in flight at once.

    Of pictures that is sure only where no two requests can have looked before either stored the object: where the row
    goes before the object, or the second request came after the first object. Else it is most often check_then_act.
    """
    lines = [*story.sent_early, *story.of("receive"), *story.of("upload_done")]
    why = f"{what}: two uploads of it were in flight at once"
    if not story.upload or _looked_late(story):
        return Judgement("overlapping_batches", "proved", why, conditions(story), lines)
    return Judgement("check_then_act", "likely", why, conditions(story), lines)


def _looked_late(story: Story) -> bool:
    stored = story.of("upload_done")
    first = stored[0].at if len(stored) == story.count else None
    if first is None or story.times is None or not story.each_request_made_a_row:
        return False  # a line may be missing, or be that of a request that made no row
    return first >= story.times[0] or len(story.before(first, "receive")) == 1
