"""several_devices: one item that more than one device sent: equal rows with different devices."""

from __future__ import annotations

from dedupaudit.causes.base import Judgement, conditions
from dedupaudit.causes.story import Story


def rule(story: Story) -> Judgement | None:
    """Equal payloads of different devices; the logs prove it where each of them sent for the first time."""
    if story.devices < 2 or story.differs:
        return None
    first = story.of("send")
    # Of pictures the rows hold no content: without an ETag two of equal size could still be two.
    proved = len(first) >= story.devices and (not story.upload or story.etags)
    why = f"{story.devices} devices sent it: the rows are equal but for the device"
    if story.upload and not story.etags:
        why += "; whether the pictures are equal the rows do not say"
    return Judgement("several_devices", "proved" if proved else "likely", why, conditions(story), first)
