"""Which object a row names, by its key, its URL or the template, and what is misplaced: on every database and store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crosscheck.shots import (
    DATABASES,
    Bucket,
    Database,
    Folder,
    Objects,
    Shot,
    checked,
    only,
    settings_of,
    verdicts,
)
from tests.oss.server import FakeOss

KEY = "shots/d1/a b+c%20d~\u00e9.jpg"
ENCODED = "shots/d1/a%20b%2Bc%2520d~%C3%A9.jpg"


@pytest.fixture(params=DATABASES, ids=lambda one: one.name)
def database(request: pytest.FixtureRequest) -> Database:
    made: Database = request.param
    return made


@pytest.fixture(params=["folder", "oss"])
def store(request: pytest.FixtureRequest, tmp_path: Path, oss: FakeOss, monkeypatch: pytest.MonkeyPatch) -> Objects:
    return Folder(tmp_path / "objects") if request.param == "folder" else Bucket(oss, monkeypatch)


URLS = [
    f"https://pictures.oss-cn-hangzhou.aliyuncs.com/{ENCODED}",
    f"https://cdn.example.com/{ENCODED}",
    f"http://cdn.example.com:8080/{ENCODED}?x-oss-process=image/resize,w_100",
    f"https://cdn.example.com/{ENCODED}#top",
    f"oss://pictures/{KEY}",
    f"/{ENCODED}",
    ENCODED,
]
IN_PATH = [
    f"https://oss-cn-hangzhou.aliyuncs.com/pictures/{ENCODED}",
    f"http://127.0.0.1:9000/pictures/{ENCODED}?Expires=1&Signature=a%2Fb",
]


@pytest.mark.parametrize("alone", [False, True], ids=["beside the key", "alone"])
def test_urls_lead_to_their_objects(database: Database, store: Objects, tmp_path: Path, alone: bool) -> None:
    urls = [*URLS, *(IN_PATH if store.name == "oss" else ())]
    shots = []
    for number, url in enumerate(urls):
        key = KEY.replace("shots/", f"shots{number}/")
        store.put(key)
        there = url.replace("/shots/", f"/shots{number}/")
        there = f"shots{number}/{there.removeprefix('shots/')}" if there.startswith("shots/") else there
        shots.append(Shot(str(number), None if alone else key, url=there))
    url = database.create(tmp_path, {"screenshots": shots})
    assert verdicts(checked(settings_of(url, store.settings()))) == {}


def test_a_url_as_it_stands_leads_to_a_key_with_odd_characters(
    database: Database, store: Objects, tmp_path: Path
) -> None:
    for key in ("a?b.jpg", "a#b.jpg", "a%41.jpg"):
        store.put(key)
    shots = [
        Shot("1", "a?b.jpg", url="https://cdn.example.com/a?b.jpg"),
        Shot("2", "a#b.jpg", url="oss://pictures/a#b.jpg"),
        Shot("3", "a%41.jpg", url="https://cdn.example.com/a%41.jpg"),
    ]
    url = database.create(tmp_path, {"screenshots": shots})
    assert verdicts(checked(settings_of(url, store.settings()))) == {}


def test_an_oss_url_is_no_web_address(database: Database, store: Objects, tmp_path: Path) -> None:
    keys = ("a?b.jpg", "a#b.jpg", "a%41.jpg", "pictures/a")
    for key in keys:
        store.put(key)
    url = database.create(tmp_path, {"screenshots": [Shot(key, url=f"oss://pictures/{key}") for key in keys]})
    assert verdicts(checked(settings_of(url, store.settings()))) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        "https://cdn.example.com/shots/b.jpg",
        "https://cdn.example.com/x/shots/a.jpg",
        "https://cdn.example.com/shots/a.jpg/",
        "https://cdn.example.com/SHOTS/a.jpg",
        "https://cdn.example.com/",
        "oss://pictures/b.jpg",
        "nonsense",
    ],
)
def test_a_url_that_leads_elsewhere_is_misplaced(
    database: Database, store: Objects, tmp_path: Path, wrong: str
) -> None:
    store.put("shots/a.jpg")
    shots = [
        Shot("1", "shots/a.jpg", url=wrong),
        Shot("1b", "shots/a.jpg", url=wrong, device="d2"),
        Shot("2", "shots/young.jpg", url=wrong, at=None, updated=4e9),
    ]
    url = database.create(tmp_path, {"screenshots": shots})
    found = checked(settings_of(url, store.settings()), checks=["misplaced_object"])
    assert verdicts(found) == {"misplaced_object": {"1": "confirmed", "1b": "confirmed", "2": "in_grace"}}
    assert "does not lead to shots/a.jpg" in only(found, "misplaced_object", "1").message


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("Shots/d1/1.jpg", "they differ in letter case alone"),
        ("shots/d1/%31.jpg", "they differ in URL encoding alone"),
        ("shots//d1/1.jpg", "they differ in slashes alone"),
        ("shots/d2/1.jpg", None),
    ],
)
def test_a_key_that_does_not_follow_the_template_is_misplaced(
    database: Database, store: Objects, tmp_path: Path, key: str, words: str | None
) -> None:
    store.put("shots/d1/2.jpg")
    store.put("shots/d1/3.jpg")
    shots = [
        Shot("1", key),
        Shot("2", "shots/d1/2.jpg"),
        Shot("3", None),  # the template alone says where its object is
        Shot("4", None),
        Shot("5", "any", status="pending", device=None),  # the template says nothing without a device
        Shot("6", None, device=None),
    ]
    url = database.create(tmp_path, {"screenshots": shots})
    found = checked(settings_of(url, {**store.settings(), "template": "shots/{device_id}/{id}.jpg"}))
    assert verdicts(found) == {
        "missing_object": {"1": "confirmed", "4": "confirmed"},
        "misplaced_object": {"1": "confirmed"},
    }
    message = only(found, "misplaced_object", "1").message
    assert "the template says shots/d1/1.jpg" in message
    assert (words in message) if words else ("they differ" not in message)


def test_a_form_of_unicode_is_told_of_a_misplaced_key(database: Database, store: Objects, tmp_path: Path) -> None:
    store.put("shots/cafe\u0301.jpg")
    url = database.create(tmp_path, {"screenshots": [Shot("caf\u00e9", "shots/cafe\u0301.jpg")]})
    found = checked(settings_of(url, {**store.settings(), "template": "shots/{id}.jpg"}))
    assert "they differ in Unicode form alone" in only(found, "misplaced_object", "caf\u00e9").message


def test_the_url_goes_before_the_template_and_the_key_before_both(
    database: Database, store: Objects, tmp_path: Path
) -> None:
    for key in ("by-key", "by-url", "shots/3"):
        store.put(key)
    shots = [
        Shot("1", "by-key", url="https://cdn.example.com/by-key"),
        Shot("2", " ", url="https://cdn.example.com/by-url"),
        Shot("3", "", url=" "),
    ]
    url = database.create(tmp_path, {"screenshots": shots})
    found = checked(settings_of(url, {**store.settings(), "template": "shots/{id}"}))
    assert verdicts(found) == {"misplaced_object": {"1": "confirmed", "2": "confirmed"}}


def test_a_table_with_a_template_and_no_column_for_keys(database: Database, store: Objects, tmp_path: Path) -> None:
    store.put("shots/1")
    store.put("shots/3")
    shots = [Shot("1"), Shot("2"), Shot("4", status="uploading")]
    url = database.create(tmp_path, {"screenshots": shots}, without=("oss_key", "etag"))
    found = checked(settings_of(url, {**store.settings(), "template": "shots/{id}"}))
    assert verdicts(found) == {"missing_object": {"2": "confirmed"}, "orphan_object": {"shots/3": "confirmed"}}
