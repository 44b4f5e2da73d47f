"""Mechanisms 7 and 8: one item from several devices, and one ID for different things."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.demo import loglines
from dedupaudit.demo.loglines import LogLine
from dedupaudit.demo.pictures import jpeg
from dedupaudit.demo.retries import CONDITIONS, click, retry_log, waits
from dedupaudit.demo.rows import Row, object_key
from dedupaudit.demo.scene import Case, Scene, StoredObject, activity, duplicate, process, screenshot

PICTURE_COLUMNS = ("device_id", "oss_key", "oss_url")


def sent_once(item: str, at: int, *, picture: bool = False) -> tuple[LogLine, ...]:
    """Return the lines of an item that arrived at once."""
    stored = (loglines.upload_done(at + 21, item),) if picture else ()
    written = (loglines.insert_picture if picture else loglines.write)(at + 23, item)
    return (loglines.send(at, item), loglines.receive(at + 13, item), *stored, written, loglines.answer(at + 33, item))


def several_devices(scene: Scene) -> Iterator[Case]:
    """7: several devices send the same item: equal rows with different device_id."""
    for count in (2, 3):
        yield _activity_of_devices(scene, count)
    yield _screenshot_of_devices(scene)


def _activity_of_devices(scene: Scene, count: int) -> Case:
    moment, devices, data = scene.moment(), scene.devices(count), click(scene)
    item = f"activity_{moment}"
    starts = [4_200 * number for number in range(count)]
    rows = tuple(
        activity(item, device, moment, kind="focus", data=data, wait=wait)
        for device, wait in zip(devices, starts, strict=True)
    )
    return Case(
        name="several_devices",
        cause="several_devices",
        mechanism=7,
        enabled_by=CONDITIONS,
        table="activities",
        planted=f"the same event from {count} devices: equal but for device_id",
        rows=rows,
        expected=(duplicate(rows, "conflicting", "device_id"),),
        log=tuple(line for wait in starts for line in sent_once(item, moment + wait)),
    )


def _screenshot_of_devices(scene: Scene) -> Case:
    moment, devices = scene.moment(), scene.devices(2)
    item, starts = f"screenshot_{moment}", (0, 5_300)
    picture = jpeg(item)
    rows = tuple(
        screenshot(item, device, moment, picture=picture, wait=wait)
        for device, wait in zip(devices, starts, strict=True)
    )
    return Case(
        name="several_devices",
        cause="several_devices",
        mechanism=7,
        enabled_by=CONDITIONS,
        table="screenshots",
        planted="the same picture from 2 devices: two rows and two equal objects",
        rows=rows,
        expected=(duplicate(rows, "conflicting", *PICTURE_COLUMNS),),
        objects=tuple(
            StoredObject(object_key(device, item), picture, moment + wait + 21)
            for device, wait in zip(devices, starts, strict=True)
        ),
        log=tuple(line for wait in starts for line in sent_once(item, moment + wait, picture=True)),
    )


def id_collision(scene: Scene) -> Iterator[Case]:
    """8: two different things in one millisecond get one ID. Deleting either loses data."""
    yield _two_devices(scene)
    yield _one_device(scene)
    yield _collision_and_retry(scene)
    yield _processes_of_one_device(scene)
    yield _pictures_of_two_devices(scene)
    yield _picture_over_picture(scene)


def _collision(rows: tuple[Row, ...], planted: str, *differs: str) -> Case:
    """Return a collision of rows that arrived in one upload each, without objects."""
    item, moment = str(rows[0].id), rows[0].timestamp
    return Case(
        name="id_collision",
        cause="id_collision",
        mechanism=8,
        enabled_by=("missing_unique",),
        table="processes" if item.startswith("process") else "activities",
        planted=planted,
        rows=rows,
        expected=(duplicate(rows, "conflicting", *differs),),
        log=tuple(line for number in range(len(rows)) for line in sent_once(item, moment + number)),
    )


def _two_devices(scene: Scene) -> Case:
    moment, (first, second) = scene.moment(), scene.devices(2)
    item = f"activity_{moment}"
    rows = (
        activity(item, first, moment, data=click(scene)),
        activity(item, second, moment, kind="key", data='{"keys": 31, "window": "mail"}', wait=1),
    )
    return _collision(rows, "a click and a key press of two devices in one millisecond", "device_id", "type", "data")


def _one_device(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    item = f"activity_{moment}"
    rows = (
        activity(item, device, moment, kind="key", data='{"keys": 1, "window": "chat"}'),
        activity(item, device, moment, kind="key", data='{"keys": 2, "window": "chat"}', wait=1),
    )
    return _collision(rows, "two key events of one device in one millisecond", "data")


def _collision_and_retry(scene: Scene) -> Case:
    moment, (first, second) = scene.moment(), scene.devices(2)
    item, starts, data = f"activity_{moment}", waits(scene, 2), click(scene)
    rows = (
        *(activity(item, first, moment, data=data, wait=wait) for wait in starts),
        activity(item, second, moment, data='{"x": 5, "y": 7, "button": "right"}', wait=1),
    )
    return Case(
        name="id_collision",
        cause="id_collision",
        mechanism=8,
        enabled_by=CONDITIONS,
        table="activities",
        planted="a click that was sent twice, and another device's click with the same ID: 3 rows, 2 things",
        rows=rows,
        expected=(duplicate(rows, "conflicting", "device_id", "data"),),
        log=(*retry_log(item, moment, starts), *sent_once(item, moment + 1)),
    )


def _processes_of_one_device(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    item = f"process_{moment}"
    rows = (
        process(item, device, moment, data='[{"name": "mail", "pid": 310}]'),
        process(item, device, moment, data='[{"name": "mail", "pid": 310}, {"name": "chat", "pid": 311}]', wait=2),
    )
    return _collision(rows, "two lists of programs of one device in one millisecond", "data")


def _pictures_of_two_devices(scene: Scene) -> Case:
    moment, devices = scene.moment(), scene.devices(2)
    item = f"screenshot_{moment}"
    pictures = (jpeg(f"{item} on the left"), jpeg(f"{item} on the right of it"))
    rows = tuple(
        screenshot(item, device, moment, picture=picture, wait=number)
        for number, (device, picture) in enumerate(zip(devices, pictures, strict=True))
    )
    return Case(
        name="id_collision",
        cause="id_collision",
        mechanism=8,
        enabled_by=("missing_unique",),
        table="screenshots",
        planted="two devices took different pictures in one millisecond: two rows, two different objects",
        rows=rows,
        expected=(duplicate(rows, "conflicting", *PICTURE_COLUMNS, "file_size"),),
        objects=tuple(
            StoredObject(object_key(device, item), picture, moment + 21)
            for device, picture in zip(devices, pictures, strict=True)
        ),
        log=tuple(line for number in range(2) for line in sent_once(item, moment + number, picture=True)),
    )


def _picture_over_picture(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    item = f"screenshot_{moment}"
    first, second = jpeg(f"{item} first screen"), jpeg(f"{item} and the second screen")
    rows = tuple(
        screenshot(item, device, moment, picture=picture, wait=number) for number, picture in enumerate((first, second))
    )
    key = object_key(device, item)
    return Case(
        name="id_collision",
        cause="id_collision",
        mechanism=8,
        enabled_by=("missing_unique",),
        table="screenshots",
        planted="two screens of one device in one millisecond: the second picture lies over the first, which is lost",
        rows=rows,
        expected=(duplicate(rows, "conflicting", "file_size"),),
        objects=(StoredObject(key, second, moment + 22),),
        log=tuple(line for number in range(2) for line in sent_once(item, moment + number, picture=True)),
        resized=(key,),
    )
