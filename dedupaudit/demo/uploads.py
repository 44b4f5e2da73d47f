"""Damaged uploads: rows of one picture in several states, states that cannot be, and objects that no row knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dedupaudit.demo import loglines
from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.pictures import jpeg
from dedupaudit.demo.retries import CONDITIONS, TIMEOUT, retry_log
from dedupaudit.demo.rows import Screenshot, object_key
from dedupaudit.demo.scene import Case, Scene, StoredObject, duplicate, screenshot, state

NO_OBJECT: Mapping[str, Any] = {"oss_key": None, "oss_url": None, "file_size": None}
COMPLETED_ONLY = ("status", "oss_key", "oss_url", "file_size")


def uploads_of_one_picture(scene: Scene) -> Iterator[Case]:
    """Rows of one picture that differ only in how far its upload came: they can be merged, but for the last."""
    pending, uploading, failed = ({"status": status, **NO_OBJECT} for status in ("pending", "uploading", "failed"))
    failed_once = {**failed, "retry_count": 1}
    with_retries = (*COMPLETED_ONLY, "retry_count")
    yield _upload(scene, "pending, and completed", (pending, {}), COMPLETED_ONLY, "stuck_upload")
    yield _upload(scene, "uploading, and completed", (uploading, {}), COMPLETED_ONLY, "stuck_upload")
    yield _upload(scene, "failed, and completed", (failed_once, {}), with_retries)
    yield _upload(scene, "failed, failed, and completed", (failed, failed_once, {"retry_count": 2}), with_retries)
    yield _upload(scene, "completed twice, once after a retry", ({}, {"retry_count": 1}), ("retry_count",))
    yield _upload(
        scene, "completed twice, once without its URL", ({"oss_url": None}, {}), ("oss_url",), "incomplete_row"
    )
    yield _upload(
        scene, "completed, and a 'done' that no one knows", ({}, {"status": "done"}), ("status",), "illegal_state"
    )


def _upload(
    scene: Scene, states: str, changes: Sequence[Mapping[str, Any]], differs: Sequence[str], suspect: str = ""
) -> Case:
    """Return one row for each of `changes` to a completed upload; `suspect` is the check that one of them fails."""
    moment, device = scene.moment(), scene.device()
    item = f"screenshot_{moment}"
    picture = jpeg(item)
    starts = [number * (TIMEOUT + 800) for number in range(len(changes))]
    rows = tuple(
        screenshot(item, device, moment, picture=picture, wait=wait)._replace(**change)
        for change, wait in zip(changes, starts, strict=True)
    )
    failed_first = "oss_key" in changes[0]
    expected = duplicate(rows, "conflicting" if suspect == "illegal_state" else "mergeable", *differs)
    return Case(
        name="upload_states",
        cause="timeout_retry",
        enabled_by=CONDITIONS,
        table="screenshots",
        planted=f"rows of one picture: {states}",
        rows=rows,
        expected=(expected, state(suspect, rows[0])) if suspect else (expected,),
        objects=(StoredObject(object_key(device, item), picture, moment + starts[-1] + 1_893),),
        log=_failing_log(item, moment, starts) if failed_first else retry_log(item, moment, starts, picture=True),
    )


def _failing_log(item: str, start: int, starts: Sequence[int]) -> tuple[LogLine, ...]:
    """Return the lines of uploads that fail, but for the last."""
    lines: list[LogLine] = []
    for number, wait in enumerate(starts):
        at = start + wait
        lines.append((loglines.resend if number else loglines.send)(at, item))
        lines.append(loglines.receive(at + 13, item))
        if number:
            lines.append(loglines.retry_failed(at + 15, item))
        lines.append(loglines.insert_picture(at + 23, item))
        if number == len(starts) - 1:
            lines += [loglines.upload_done(at + 1_893, item), loglines.answer(at + 1_900, item)]
        else:
            lines += [loglines.upload_failed(at + 1_893, item), loglines.requeue(at + TIMEOUT, item)]
    return tuple(lines)


def illegal_state(scene: Scene) -> Iterator[Case]:
    """Plant a status that the upload's state machine does not know, and none."""
    for status in ("done", "", None):
        row, stored = _stored(scene, status=status)
        yield _single("illegal_state", f"status {status!r}" if status is not None else "no status", row, stored)


def stuck_upload(scene: Scene) -> Iterator[Case]:
    """Plant uploads that a crash left half way: `pending` or `uploading` for ever."""
    pending, uploading, untouched = _without_picture(scene), _without_picture(scene), _without_picture(scene)
    yield _single("stuck_upload", "pending for ever", pending._replace(status="pending"))
    yield _single("stuck_upload", "uploading for ever", uploading._replace(status="uploading"))
    untouched = untouched._replace(status="uploading", updated_at=None)
    yield _single("stuck_upload", "uploading for ever, and never updated since it was created", untouched)


def incomplete_row(scene: Scene) -> Iterator[Case]:
    """`completed` without a key or URL; and a key on a row that was never completed."""
    row, stored = _stored(scene)
    yield _single("incomplete_row", "completed, its URL is empty", row._replace(oss_url=""), stored)
    row = _without_picture(scene)
    # Where its object should be is what the template says.
    missing = (object_key(row.device_id, row.id),)
    yield replace(_single("incomplete_row", "completed, without key and URL", row), missing=missing)
    row, stored = _stored(scene, status="failed")
    failed = _single("incomplete_row", "failed, yet it names an object", row, stored)
    yield replace(failed, unexpected=(stored.key,))
    row, stored = _stored(scene, status="pending")
    pending = _single("incomplete_row", "pending for ever, yet it names an object", row, stored, "stuck_upload")
    yield replace(pending, unexpected=(stored.key,))


def _without_picture(scene: Scene) -> Screenshot:
    moment = scene.moment()
    return screenshot(f"screenshot_{moment}", scene.device(), moment)


def _stored(scene: Scene, status: str | None = "completed") -> tuple[Screenshot, StoredObject]:
    moment, device = scene.moment(), scene.device()
    item = f"screenshot_{moment}"
    picture = jpeg(item)
    row = screenshot(item, device, moment, status=status, picture=picture)
    return row, StoredObject(object_key(device, item), picture, moment + 21)


def _single(check: str, planted: str, row: Screenshot, stored: StoredObject | None = None, *also: str) -> Case:
    return Case(
        name=check,
        table="screenshots",
        planted=planted,
        rows=(row,),
        expected=tuple(state(name, row) for name in (check, *also)),
        objects=(stored,) if stored else (),
    )


def orphan_object(scene: Scene) -> Iterator[Case]:
    """Plant objects that no row knows: uploaded first, and the backend died before it wrote the row."""
    for _ in range(4):
        moment, device = scene.moment(), scene.device()
        item = f"screenshot_{moment}"
        key = object_key(device, item)
        yield Case(
            name="orphan_object",
            table="screenshots",
            planted="the object was uploaded first, and the row was never written",
            objects=(StoredObject(key, jpeg(item), moment + 21),),
            log=(
                loglines.send(moment, item),
                loglines.receive(moment + 13, item),
                loglines.upload_done(moment + 21, item),
            ),
            orphans=(key,),
        )


def shared_object(scene: Scene) -> Iterator[Case]:
    """Two pictures whose rows name one object."""
    row, stored = _stored(scene)
    moment = scene.moment()
    other = row._replace(id=f"screenshot_{moment}", timestamp=moment)
    yield Case(
        name="shared_object",
        table="screenshots",
        planted="the rows of two IDs name one object",
        rows=(row, other),
        objects=(stored,),
        shared=(stored.key,),
        misplaced=(str(other.id),),
    )
