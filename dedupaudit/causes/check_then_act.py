"""check_then_act: two requests looked for the row, both saw none, both stored the object, and both inserted."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import Story


def rule(story: Story) -> Judgement | None:
    """Look for two requests that were in the backend before either had stored the object, which came before the row."""
    if not story.upload or story.differs or story.devices > 1 or story.times is None:
        return None
    stored = story.of("upload_done")
    first = stored[0].at if stored else None
    if first is None or first >= story.times[0] or len(stored) < 2:
        return None
    inside = story.before(first, "receive")
    if len(inside) < 2:
        return None
    apart = (inside[1].at or 0) - (inside[0].at or 0)
    why = (
        f"two requests came {seconds(apart)} apart, before either had stored the object or the row:"
        f" both looked, both saw nothing, and the object was written {len(stored)} times"
    )
    # Of a backend that never looks for an ID nobody can say that two requests looked.
    sure = story.checking and story.each_request_made_a_row
    return Judgement("check_then_act", "proved" if sure else "likely", why, conditions(story), [*inside, *stored])
