"""Mechanisms 1 to 3: an item that was sent again because its answer did not come, and what let it become rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dedupaudit.demo import loglines
from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.pictures import jpeg
from dedupaudit.demo.rows import ROW_TYPES, Row, TableName, object_key
from dedupaudit.demo.scene import Case, Scene, StoredObject, activity, duplicate, process, screenshot
from dedupaudit.demo.truth import Expected

TIMEOUT = 30_000
"""Milliseconds after which the client gives up and re-queues."""

CONDITIONS = ("missing_unique", "no_idempotency_check")

# The incident's own example: recorded at 06:23, sent while the backend was slow, at 08:01.
FIRST_CLICK = 1_766_557_428_498
FIRST_CLICK_SENT = 1_766_563_274_487


def waits(scene: Scene, attempts: int) -> tuple[int, ...]:
    """Return when each attempt begins, in milliseconds after the first: 30 to 60 s apart."""
    starts = [0]
    for _ in range(attempts - 1):
        starts.append(starts[-1] + TIMEOUT + 10 + scene.below(29_000))
    return tuple(starts)


def retry_log(item: str, start: int, starts: Sequence[int], *, picture: bool = False) -> tuple[LogLine, ...]:
    """Return the lines of an item whose every answer but the last was lost."""
    lines: list[LogLine] = []
    for number, wait in enumerate(starts):
        at = start + wait
        last = number == len(starts) - 1
        lines.append((loglines.resend if number else loglines.send)(at, item))
        lines.append(loglines.receive(at + 13, item))
        if picture:
            lines.append(loglines.upload_done(at + 21, item))
        lines.append((loglines.insert_picture if picture else loglines.write)(at + 23, item))
        lines.append((loglines.answer if last else loglines.answer_lost)(at + 33, item))
        if not last:
            lines.append(loglines.requeue(at + TIMEOUT, item))
    return tuple(lines)


def click(scene: Scene) -> str:
    """Return where a click fell, as the client writes it."""
    return json.dumps({"x": scene.below(1_920), "y": scene.below(1_080), "button": "left"})


def timeout_retry(scene: Scene) -> Iterator[Case]:
    """1: the answer is lost, the client gives up after 30 s and sends again: equal rows, 30 to 60 s apart."""
    yield _first_click(scene)
    for kind, attempts in (("click", 2), ("key", 2), ("click", 4), ("focus", 2), ("scroll", 3)):
        yield _retried_activity(scene, kind, attempts)
    yield _rewritten_json(scene)
    for attempts in (2, 3):
        yield _retried_process(scene, attempts)
    for attempts in (2, 3):
        yield _retried_screenshot(scene, attempts)


def _retry(
    table: TableName,
    item: str,
    moment: int,
    starts: Sequence[int],
    rows: tuple[Row, ...],
    planted: str,
    mechanism: int = 1,
) -> Case:
    return Case(
        name="timeout_retry" if mechanism == 1 else "no_idempotency_check",
        cause="timeout_retry",
        mechanism=mechanism,
        enabled_by=CONDITIONS,
        table=table,
        planted=planted,
        rows=rows,
        expected=(duplicate(rows, "identical"),),
        log=retry_log(item, moment, starts, picture=table == "screenshots"),
    )


def _first_click(scene: Scene) -> Case:
    item, device, data = f"activity_{FIRST_CLICK}", "desk-3f1a", click(scene)
    starts = (0, 60_000, 120_000)
    late = FIRST_CLICK_SENT - FIRST_CLICK
    rows = tuple(activity(item, device, FIRST_CLICK, data=data, wait=late + wait) for wait in starts)
    planted = "one click, 3 rows a minute apart: two answers were lost, and reports count 200 % too much"
    return _retry("activities", item, FIRST_CLICK_SENT, starts, rows, planted)


def _retried_activity(scene: Scene, kind: str, attempts: int) -> Case:
    moment, device, data = scene.moment(), scene.device(), click(scene)
    item, starts = f"activity_{moment}", waits(scene, attempts)
    rows = tuple(activity(item, device, moment, kind=kind, data=data, wait=wait) for wait in starts)
    planted = f"a {kind} event sent {attempts} times, because the answers were lost"
    return _retry("activities", item, moment, starts, rows, planted)


def _rewritten_json(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    item, starts = f"activity_{moment}", waits(scene, 2)
    writings = ('{"keys": 12, "window": "报表"}', '{"window":"\\u62a5\\u8868","keys":12}')
    rows = tuple(
        activity(item, device, moment, kind="key", data=data, wait=wait)
        for data, wait in zip(writings, starts, strict=True)
    )
    planted = "sent twice; the second time the same JSON value was written in another way"
    return _retry("activities", item, moment, starts, rows, planted)


def _retried_process(scene: Scene, attempts: int) -> Case:
    moment, device = scene.moment(), scene.device()
    item, starts = f"process_{moment}", waits(scene, attempts)
    data = json.dumps([{"name": "excel.exe", "pid": 1_000 + scene.below(9_000)}])
    rows = tuple(process(item, device, moment, data=data, wait=wait) for wait in starts)
    planted = f"a list of programs sent {attempts} times, because the answers were lost"
    return _retry("processes", item, moment, starts, rows, planted)


def _retried_screenshot(scene: Scene, attempts: int) -> Case:
    moment, device = scene.moment(), scene.device()
    item, starts = f"screenshot_{moment}", waits(scene, attempts)
    picture = jpeg(item)
    rows = tuple(screenshot(item, device, moment, picture=picture, wait=wait) for wait in starts)
    planted = f"a picture sent {attempts} times, because the answers were lost"
    stored = StoredObject(object_key(device, item), picture, moment + starts[-1] + 21)
    return replace(_retry("screenshots", item, moment, starts, rows, planted), objects=(stored,))


def no_idempotency_check(scene: Scene) -> Iterator[Case]:
    """2: the handler inserts whatever arrives, so every one of many retries becomes a row."""
    moment, device = scene.moment(), scene.device()
    item, starts = f"process_{moment}", waits(scene, 6)
    rows = tuple(process(item, device, moment, data='[{"name": "chrome", "pid": 4242}]', wait=wait) for wait in starts)
    planted = "sent 6 times in a bad five minutes, and the handler inserted each one: 6 rows"
    yield _retry("processes", item, moment, starts, rows, planted, mechanism=2)


def missing_unique(_scene: Scene) -> Iterator[Case]:
    """3: nothing in the database says that an ID is unique, so it accepts all of this."""
    for table in ROW_TYPES:
        index = " (it has an index on it, but a plain one)" if table == "processes" else ""
        yield Case(
            name="missing_unique",
            mechanism=3,
            table=table,
            planted=f"no unique constraint on {table}.id{index}: the primary key is another column",
            expected=(Expected(check="missing_unique", target=table),),
        )
