"""Mechanisms 4 to 6: uploads side by side, a look before the leap, and a row that came before its object."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.demo import loglines
from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.pictures import jpeg
from dedupaudit.demo.retries import CONDITIONS, TIMEOUT, click
from dedupaudit.demo.rows import object_key
from dedupaudit.demo.scene import Case, Scene, StoredObject, activity, duplicate, screenshot


def overlapping_batches(scene: Scene) -> Iterator[Case]:
    """4: an item is re-queued while its first upload still runs, so two sends overlap: milliseconds to seconds."""
    for gap in (40, 700, 3_100):
        yield _overlapping_activity(scene, gap)
    yield _overlapping_screenshot(scene, 260)


def _overlap_log(item: str, start: int, arrival: int, gap: int, *, picture: bool = False) -> tuple[LogLine, ...]:
    """Return two sends of which the first arrives only after the second began: `arrival` and `gap` in ms."""
    lines = [
        loglines.send(start, item),
        loglines.requeue(start + TIMEOUT, item),
        loglines.resend(start + TIMEOUT + 90, item),
    ]
    for at in (start + arrival, start + arrival + gap):
        lines.append(loglines.receive(at - 10, item))
        if picture:
            lines.append(loglines.upload_done(at - 2, item))
        lines.append((loglines.insert_picture if picture else loglines.write)(at, item))
        lines.append(loglines.answer(at + 10, item))
    return tuple(lines)


def _overlapping_activity(scene: Scene, gap: int) -> Case:
    moment, device, data = scene.moment(), scene.device(), click(scene)
    item, arrival = f"activity_{moment}", TIMEOUT + 200 + scene.below(800)
    rows = tuple(activity(item, device, moment, data=data, wait=arrival + wait) for wait in (0, gap))
    return Case(
        name="overlapping_batches",
        cause="overlapping_batches",
        mechanism=4,
        enabled_by=CONDITIONS,
        table="activities",
        planted=f"re-queued while its first upload still ran: two sends in flight, rows {gap} ms apart",
        rows=rows,
        expected=(duplicate(rows, "identical"),),
        log=_overlap_log(item, moment, arrival + 23, gap),
        overlapping=True,
    )


def _overlapping_screenshot(scene: Scene, gap: int) -> Case:
    moment, device = scene.moment(), scene.device()
    item, arrival = f"screenshot_{moment}", TIMEOUT + 200 + scene.below(800)
    picture = jpeg(item)
    rows = tuple(screenshot(item, device, moment, picture=picture, wait=arrival + wait) for wait in (0, gap))
    key = object_key(device, item)
    return Case(
        name="overlapping_batches",
        cause="overlapping_batches",
        mechanism=4,
        enabled_by=CONDITIONS,
        table="screenshots",
        planted=f"a picture re-queued while its first upload still ran: rows {gap} ms apart, written twice",
        rows=rows,
        expected=(duplicate(rows, "identical"),),
        objects=(StoredObject(key, picture, moment + arrival + gap + 21),),
        log=_overlap_log(item, moment, arrival + 23, gap, picture=True),
        written_twice=(key,),
        overlapping=True,
    )


def check_then_act(scene: Scene) -> Iterator[Case]:
    """5: both requests look, both see nothing, both upload for ten seconds, both insert."""
    for gap in (180, 1_400):
        yield _checked_then_acted(scene, gap)


def _checked_then_acted(scene: Scene, gap: int) -> Case:
    moment, device = scene.moment(), scene.device()
    item, upload = f"screenshot_{moment}", 10_000
    picture = jpeg(item)
    rows = tuple(screenshot(item, device, moment, picture=picture, wait=TIMEOUT + upload + wait) for wait in (0, gap))
    log = [
        loglines.send(moment, item),
        loglines.requeue(moment + TIMEOUT, item),
        loglines.resend(moment + TIMEOUT, item),
    ]
    for wait in (0, gap):
        begin = moment + TIMEOUT + wait
        log += [
            loglines.receive(begin + 13, item),
            loglines.upload_done(begin + upload + 13, item),
            loglines.insert_picture(begin + upload + 23, item),
            loglines.answer(begin + upload + 33, item),
        ]
    key = object_key(device, item)
    return Case(
        name="check_then_act",
        cause="check_then_act",
        mechanism=5,
        enabled_by=CONDITIONS,
        table="screenshots",
        planted="two requests looked, saw no row, and both uploaded and inserted: 2 rows, the object written twice",
        rows=rows,
        expected=(duplicate(rows, "identical"),),
        objects=(StoredObject(key, picture, moment + TIMEOUT + upload + gap + 13),),
        log=tuple(log),
        written_twice=(key,),
        overlapping=True,
    )


def row_before_object(scene: Scene) -> Iterator[Case]:
    """6: the row is written, the upload fails, and a second request sees the row and answers "done": a 404."""
    for _ in range(3):
        yield _row_without_object(scene)


def _row_without_object(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    item = f"screenshot_{moment}"
    again = moment + TIMEOUT + 60
    row = screenshot(item, device, moment, picture=jpeg(item))
    return Case(
        name="row_before_object",
        cause="row_before_object",
        mechanism=6,
        enabled_by=("no_idempotency_check",),
        table="screenshots",
        planted="the row was written first and says completed, the upload failed, the second request was told done",
        rows=(row,),
        log=(
            loglines.send(moment, item),
            loglines.receive(moment + 13, item),
            loglines.insert_picture(moment + 23, item),
            loglines.upload_failed(moment + 1_893, item),
            loglines.requeue(moment + TIMEOUT, item),
            loglines.resend(again, item),
            loglines.receive(again + 13, item),
            loglines.skip_done(again + 15, item),
            loglines.answer(again + 20, item),
        ),
        missing=(object_key(device, item),),
    )
