"""Damaged IDs: none at all, blank ones, and ones that only a trim or a change of case keeps apart."""

from __future__ import annotations

from collections.abc import Iterator

from dedupaudit.demo.retries import click
from dedupaudit.demo.rows import Row, TableName, table_of
from dedupaudit.demo.scene import Case, Scene, activity, duplicate, process, screenshot
from dedupaudit.demo.truth import Expected


def null_ids(scene: Scene) -> Iterator[Case]:
    """Rows without an ID: a unique index lets every one of them in, and none is a duplicate."""
    yield _without_id(tuple(activity(None, scene.device(), scene.moment(), data=click(scene)) for _ in range(3)))
    yield _without_id((process(None, scene.device(), scene.moment()),))
    yield _without_id((screenshot(None, scene.device(), scene.moment(), status="failed", retries=2),))


def _without_id(rows: tuple[Row, ...]) -> Case:
    table = table_of(rows[0])
    return Case(
        name="null_ids",
        table=table,
        planted=f"{len(rows)} without an ID",
        rows=rows,
        expected=(Expected(check="null_ids", target=table, count=len(rows)),),
    )


def blank_ids(scene: Scene) -> Iterator[Case]:
    """IDs of nothing or only white space: blank, duplicates where they repeat, and nearly equal to each other."""
    first, second = scene.devices(2)
    empty = (
        activity("", first, scene.moment(), data=click(scene)),
        activity("", second, scene.moment(), data='{"keys": 3, "window": "editor"}', kind="key"),
    )
    spaces = activity("   ", scene.device(), scene.moment(), data=click(scene))
    yield Case(
        name="blank_ids",
        table="activities",
        planted="two different events with the ID '' and one with three spaces",
        rows=(*empty, spaces),
        expected=(
            Expected(check="blank_ids", target="activities", count=3),
            duplicate(empty, "conflicting", "device_id", "type", "timestamp", "data"),
            _near("activities", "", "   "),
        ),
    )
    yield Case(
        name="blank_ids",
        table="processes",
        planted="one with a tab for an ID",
        rows=(process("\t", scene.device(), scene.moment()),),
        expected=(Expected(check="blank_ids", target="processes", count=1),),
    )


def _near(table: TableName, *keys: str) -> Expected:
    return Expected(check="near_equal_ids", target=table, key={"id": min(keys)}, count=len(keys))


def near_equal_ids(scene: Scene) -> Iterator[Case]:
    """IDs that SQLite keeps apart and another database's collation, or a careless import, makes one."""
    yield _four_writings(scene)
    yield _capital_letter(scene)
    yield _trailing_space(scene)


def _four_writings(scene: Scene) -> Case:
    moment, device, data = scene.moment(), scene.device(), click(scene)
    item = f"activity_{moment}"
    keys = (item, f"{item} ", item.upper(), f"\uff41{item[1:]}")
    return Case(
        name="near_equal_ids",
        table="activities",
        planted="one ID as it should be, with a space at its end, in capitals, and with a full-width first letter",
        rows=tuple(activity(key, device, moment, data=data, wait=1_000 * number) for number, key in enumerate(keys)),
        expected=(_near("activities", *keys),),
    )


def _capital_letter(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    keys = (f"process_{moment}", f"Process_{moment}")
    return Case(
        name="near_equal_ids",
        table="processes",
        planted="two IDs that differ in one capital letter",
        rows=tuple(process(key, device, moment, wait=1_000 * number) for number, key in enumerate(keys)),
        expected=(_near("processes", *keys),),
    )


def _trailing_space(scene: Scene) -> Case:
    moment, device = scene.moment(), scene.device()
    keys = (f"screenshot_{moment}", f"screenshot_{moment} ")
    return Case(
        name="near_equal_ids",
        table="screenshots",
        planted="two IDs that differ in a space at the end; both uploads failed",
        rows=tuple(
            screenshot(key, device, moment, status="failed", retries=1, wait=1_000 * number)
            for number, key in enumerate(keys)
        ),
        expected=(_near("screenshots", *keys),),
    )
