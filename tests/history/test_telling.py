"""Each receiver is told once of what is open, and once that it is gone; nothing is lost when telling fails."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dedupaudit.history.memory import News
from dedupaudit.model import SEVERITIES
from tests.history import worlds

A, B = ("activities", "a"), ("activities", "b")
LOOKED = {"activities": "checked"}


def night(
    folder: Path,
    keys: Iterable[worlds.Key],
    tables: dict[str, str] | None = None,
    *,
    receiver: str = "mail",
    marks: bool = True,
    tolerated: tuple[tuple[str, str, str], ...] = (),
) -> News:
    with worlds.begun(worlds.settings(folder)) as memory:
        worlds.ended(memory, worlds.report(keys, tables or LOOKED))
        news = memory.untold(receiver, SEVERITIES, tolerated)
        if marks:
            memory.mark_told(receiver)
        return news


def test_told_once_when_it_is_there_and_once_when_it_is_gone(tmp_path: Path) -> None:
    first = night(tmp_path, [A, B])
    assert (first.opened, first.closed, first.opened_by_severity) == (2, 0, {"high": 2})
    assert [problem.key for problem in first.opened_first] == [{"id": "a"}, {"id": "b"}]
    assert not night(tmp_path, [A, B])
    gone = night(tmp_path, [A])
    assert (gone.opened, gone.closed, [one.key for one in gone.closed_first]) == (0, 1, [{"id": "b"}])
    assert not night(tmp_path, [A])


def test_what_was_not_told_is_told_by_the_next_run(tmp_path: Path) -> None:
    assert night(tmp_path, [A], marks=False).opened == 1
    assert night(tmp_path, [A]).opened == 1
    assert not night(tmp_path, [A])


def test_what_came_and_went_before_anybody_was_told_is_not_told(tmp_path: Path) -> None:
    night(tmp_path, [A], marks=False)
    assert not night(tmp_path, [])


def test_each_receiver_is_told_by_itself(tmp_path: Path) -> None:
    night(tmp_path, [A])
    assert night(tmp_path, [A], receiver="chat").opened == 1
    assert not night(tmp_path, [A])


def test_what_is_tolerated_is_told_when_it_no_longer_is(tmp_path: Path) -> None:
    assert not night(tmp_path, [A], tolerated=(("db", "activities", "duplicate_ids"),))
    assert night(tmp_path, [A]).opened == 1


def test_what_could_not_be_looked_at_is_told_once_and_so_is_that_it_can_be_again(tmp_path: Path) -> None:
    failed = {"activities": "failed"}
    news = night(tmp_path, [], failed)
    assert [(one.source, one.target, one.reason) for one in news.unlooked] == [
        ("db", "activities", "the server went away")
    ]
    assert not night(tmp_path, [], failed)
    again = night(tmp_path, [])
    assert ([one.target for one in again.looked_again], again.unlooked) == (["activities"], ())
    assert not night(tmp_path, [])


def test_another_project_in_the_same_history_is_nobody_s_news(tmp_path: Path) -> None:
    worlds.kept(worlds.settings(tmp_path), worlds.report([A], LOOKED, identity="2e" * 16))
    assert not night(tmp_path, [])
