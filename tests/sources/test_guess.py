"""The key that is guessed where nobody named it, and the reason that is given."""

from __future__ import annotations

import pytest

from dedupaudit.sources.tables.catalog import Catalog, Column
from dedupaudit.sources.tables.guess import guess_key, singular


def catalog_of(name: str, *columns: str, auto: tuple[str, ...] = (), primary: tuple[str, ...] = ()) -> Catalog:
    found = tuple(
        Column(column, "INTEGER" if column in auto else "TEXT", auto_increment=column in auto) for column in columns
    )
    return Catalog(name, name, "table", found, primary_key=primary)


@pytest.mark.parametrize(
    ("catalog", "key"),
    [
        (catalog_of("activities", "id", "type"), ("id",)),
        (catalog_of("activities", "ID"), ("ID",)),
        (catalog_of("activities", "id", "activity_id", auto=("id",), primary=("id",)), ("activity_id",)),
        (catalog_of("activities", "id", "activityId", auto=("id",)), ("activityId",)),
        (catalog_of("screenshots", "id", "screenshot_id", auto=("id",)), ("screenshot_id",)),
        (catalog_of("processes", "id", "process_id", auto=("id",)), ("process_id",)),
        (catalog_of("activities", "activity_id", "type"), ("activity_id",)),
        # A text id is an ID; the other may belong to another table.
        (catalog_of("activities", "id", "activity_id"), ("id",)),
        (catalog_of("activities", "id", "type", auto=("id",), primary=("id",)), ("id",)),
        (catalog_of("activities", "device_id", "id", primary=("device_id", "id")), ("device_id", "id")),
        (catalog_of("things", "a", "b", primary=("b", "a")), ("b", "a")),
    ],
)
def test_the_key_is_the_real_id(catalog: Catalog, key: tuple[str, ...]) -> None:
    guessed = guess_key(catalog, catalog.name)
    assert guessed is not None
    columns, why = guessed
    assert tuple(column.name for column in columns) == key
    assert "guessed" in why


def test_the_configured_name_tells_the_id_too() -> None:
    catalog = catalog_of("app_log", "id", "activity_id", auto=("id",))
    guessed = guess_key(catalog, "activities")
    assert guessed is not None
    assert guessed[0][0].name == "activity_id"


def test_a_key_that_can_never_repeat_says_so_and_how_to_name_another() -> None:
    guessed = guess_key(catalog_of("activities", "id", auto=("id",), primary=("id",)), "activities")
    assert guessed is not None
    assert "can never repeat" in guessed[1]
    assert '[tables.activities] key = ["COLUMN"]' in guessed[1]


def test_nothing_that_looks_like_an_id_is_no_key() -> None:
    assert guess_key(catalog_of("activities", "type", "data"), "activities") is None


@pytest.mark.parametrize(
    ("plural", "one"),
    [("activities", "activity"), ("processes", "process"), ("screenshots", "screenshot"), ("Activities", "Activity"),
     ("class", "class"), ("sheep", "sheep"), ("s", "s"), ("", "")],
)  # fmt: skip
def test_singular(plural: str, one: str) -> None:
    assert singular(plural) == one
