"""A local folder as a store: keys are bytes in order, links stay inside, and what cannot be read is an error."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dedupaudit.errors import SourceError, UsageError
from dedupaudit.sources.objects.local import LocalSource
from tests.ordinary_user import NOBODY, open_folder
from tests.sources.objects.asking import keys_of


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root reads everything: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def source(folder: Path) -> LocalSource:
    return LocalSource(f"file://{folder}")


def fill(folder: Path, names: list[bytes]) -> list[str]:
    for name in names:
        path = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name)
    return [name.decode("utf-8", "surrogateescape") for name in sorted(names)]


NAMES = [
    b"a/b",
    b"a-b",
    b"a0",
    b"a/b.d/c",
    b"%2F",
    b"x y+&<>",
    b"\xff\xfe",
    "é".encode(),
    b"new\nline",
    b"z" * 255,
    b"d/\xf0\x9f\x98\x80",
]


def test_keys_come_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    expected = fill(tmp_path, NAMES)
    found = keys_of(source(tmp_path).pages(["a", "b"]))
    assert found == expected
    looked = [source(tmp_path).look(key) for key in expected]
    assert [fact.key if fact else None for fact in looked] == expected
    assert looked == [fact for page in source(tmp_path).pages() for fact in page]


def test_a_range_again_is_the_same_part(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 (names for a test)
    names = {
        "/".join(chance.choices(["a", "b-", "c.", "d0"], k=chance.randint(1, 4))).encode() + b"x" for _ in range(200)
    }
    fill(tmp_path, list(names))
    whole = sorted(names)
    for _ in range(50):
        first, last = sorted(chance.sample(whole, 2))
        again = keys_of(source(tmp_path).again(first.decode(), last.decode()))
        assert again == [name.decode() for name in whole if first <= name <= last]


def test_what_no_listing_has_is_not_there(tmp_path: Path) -> None:
    fill(tmp_path, [b"a/b"])
    keys = [
        "../" + tmp_path.name + "/a/b",
        "a//b",
        "/a/b",
        "a/./b",
        "a/b/",
        "a",
        "",
        "a/b/c",
        "x" * 300,
        "n\0",
        "\ud800",
    ]
    assert [source(tmp_path).look(key) for key in keys] == [None] * len(keys)


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    fill(inside, [b"real"])
    fill(outside, [b"secret", b"more/secret"])
    (inside / "link").symlink_to("real")
    (inside / "away").symlink_to(outside / "secret")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "broken").symlink_to("nowhere")
    opened = source(inside)
    assert keys_of(opened.pages()) == ["link", "real"]
    for key in ("away", "folder/secret"):
        with pytest.raises(SourceError, match="leads out"):
            opened.look(key)
    assert opened.look("broken") is None
    assert opened.skipped == 3


def test_sockets_and_pipes_are_counted_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, [b"a"])
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        opened = source(tmp_path)
        assert keys_of(opened.pages()) == ["a"]
    assert opened.skipped == 2
    assert opened.look("pipe") is None


def test_a_folder_that_cannot_be_read_is_an_error() -> None:
    with open_folder() as folder:
        fill(folder, [b"a/b", b"locked/c"])
        (folder / "locked").chmod(0)
        with ordinary_user():
            with pytest.raises(SourceError, match="cannot read locked/"):
                keys_of(source(folder).pages())
            with pytest.raises(SourceError, match="Permission"):
                source(folder).look("locked/c")
        (folder / "locked").chmod(0o700)


def test_a_folder_that_is_gone_makes_nothing_missing(tmp_path: Path) -> None:
    opened = source(tmp_path / "none")
    for act in (opened.preflight, lambda: list(opened.pages()), lambda: opened.look("a")):
        with pytest.raises(SourceError, match="no folder"):
            act()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    fill(tmp_path, [b"a"])
    with pytest.raises(SourceError, match="is no folder"):
        source(tmp_path / "a").preflight()


@pytest.mark.parametrize("url", ["file:", "file://host/dir", "oss://x", "file:///a\0b"])
def test_what_is_no_folders_url(url: str) -> None:
    with pytest.raises(UsageError):
        LocalSource(url)
