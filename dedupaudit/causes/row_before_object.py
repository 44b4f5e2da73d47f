"""row_before_object: the row was written first, its object failed, and who came later was told that all is done."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.causes.base import Judgement
from dedupaudit.sources.logs.protocol import LogEvent


def judge(events: Sequence[LogEvent]) -> Judgement:
    """Return why a completed row has no object, as far as the logs tell."""
    written = [event for event in events if event.event == "db_write"]
    failed = [event for event in events if event.event == "upload_failed"]
    stored = [event for event in events if event.event == "upload_done"]
    skipped = [event for event in events if event.event == "idempotent_skip"]
    if stored and not failed:
        last = max(stored, key=lambda event: event.at or 0)
        why = f"the backend stored the object ({last.file}:{last.line}): it was lost or removed later"
        return Judgement("unexplained", "none", why, (), [last])
    if failed and (not written or (written[0].at or 0) <= (failed[-1].at or 0)):
        why = "the row was written first and says completed, and then the upload of its object failed"
        if skipped:
            why += "; the next request saw the row and was told that all is done"
        # What was stored may have been another device's object of the same ID.
        sure = bool(written) and not stored
        return Judgement(
            "row_before_object",
            "proved" if sure else "likely",
            why,
            ("no_idempotency_check",),
            [*written[:1], *failed, *skipped],
        )
    why = "the logs do not name this ID" if not events else "the logs tell of no upload that failed"
    return Judgement("unexplained", "none", why)
