"""id_collision: two real things under one ID. Nothing may ever merge them, so this rule goes before all others."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions
from dedupaudit.causes.story import Story
from dedupaudit.display import visible


def rule(story: Story) -> Judgement | None:
    """Different payloads are different things, unless one device sent both and a retry lies between them."""
    if not story.differs:
        return None
    columns = ", ".join(map(visible, story.differs))
    first = story.of("send")
    retried = bool(story.of("requeue", "resend"))
    if story.devices > 1:
        why = f"{story.devices} devices stored different things under this ID (they differ in {columns})"
    elif len(first) > 1:
        why = f"one ID was sent for the first time {len(first)} times, with different {columns}"
    elif not _each_retried(story):
        why = f"the rows differ in {columns}, and no retry explains a difference"
    else:
        return None
    proved = len(first) > 1
    return Judgement(
        "id_collision",
        "proved" if proved else "likely",
        why + (": two events, not one sent twice" if proved else ""),
        conditions(story, retried=retried),
        first,
    )


def _each_retried(story: Story) -> bool:
    """Say whether the logs prove that all of it is one thing, sent once and then again for each further row.

    They do where every line of it is there: of two things one would have been sent for the first time as well.
    """
    again = story.count - 1
    counts = {"send": 1, "resend": again, "requeue": again, "receive": story.count, "db_write": story.count}
    return all(len(story.of(name)) == number for name, number in counts.items()) and story.each_sent_later
