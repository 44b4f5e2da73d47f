"""check_then_act: two requests looked for the row, both saw none, both stored the object, and both inserted."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions, seconds
from dedupaudit.causes.story import Story


def rule(story: Story) -> Judgement | None:
    """Two requests of an upload were in the backend before either had stored anything."""
    written = story.first_row
    # Of a backend that never looks for an ID nobody can say that two requests looked.
    if not (story.upload and story.checking) or story.differs or written is None:
        return None
    received = story.of("receive")
    stored = story.of("upload_done")
    begun = min([written, *(event.at for event in stored if event.at is not None)])
    inside = [event for event in received if event.at is not None and event.at <= begun]
    if len(inside) < 2 or len(stored) < 2:
        return None
    apart = (inside[1].at or 0) - (inside[0].at or 0)
    why = (
        f"two requests came {seconds(apart)} apart, before either had stored the object or the row:"
        f" both looked, both saw nothing, and the object was written {len(stored)} times"
    )
    return Judgement("check_then_act", "proved", why, conditions(story), [*inside, *stored])
