"""The played incident itself: nothing is lost or made up, every mechanism occurs, and its lines are read as meant."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from dedupaudit.config.load import load_settings
from dedupaudit.sources.logs import open_logs
from tests.causes.simulated.play import play
from tests.causes.simulated.state import Mechanism, Played
from tests.causes.simulated.truth import duplicate_labels, missing_labels
from tests.causes.simulated.writing import (
    BACKEND_ONLY,
    CLIENT_ONLY,
    EVERYTHING,
    HALF,
    NO_LOGS,
    Kept,
    side_of,
    survivors,
    write_world,
)

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module", params=SEEDS)
def played(request: pytest.FixtureRequest) -> Played:
    return play(request.param)


def test_the_same_seed_plays_the_same_and_another_does_not() -> None:
    first, again, other = (play(seed, devices=6, items=40) for seed in (5, 5, 6))
    assert first.lines == again.lines
    assert first.rows == again.rows
    assert first.objects == again.objects
    assert first.lines != other.lines


def test_every_row_has_a_send_and_every_item_arrives(played: Played) -> None:
    for item, rows in played.rows.items():
        live = [row.attempt for row in rows if row.attempt is not None]
        assert live
        for attempt in live:
            assert any(attempt is one for one in played.attempts[item])
            assert attempt.received is not None and attempt.written is not None
            assert attempt.sent <= attempt.received <= attempt.written
    for attempts in played.attempts.values():
        for device in {one.item.device for one in attempts}:
            assert any(one.answered is not None for one in attempts if one.item.device == device)


def test_exactly_the_ids_with_several_rows_have_a_label(played: Played) -> None:
    labels = duplicate_labels(played)
    assert set(labels) == {item for item, rows in played.rows.items() if len(rows) > 1}
    assert all(label.mechanism in label.at_work for label in labels.values())


def test_every_mechanism_occurs(played: Played) -> None:
    counts = Counter(label.mechanism for label in duplicate_labels(played).values())
    missing = Counter(missing_labels(played).values())
    assert set(counts) | set(missing) == set(get_args(Mechanism))
    assert min(counts.values()) >= 10
    assert min(missing.values()) >= 5
    assert sum(counts.values()) > 700


def test_most_items_are_healthy_and_some_of_those_were_sent_again(played: Played) -> None:
    single = [item for item, rows in played.rows.items() if len(rows) == 1]
    assert len(single) > 3 * len(duplicate_labels(played))
    assert sum(len(played.attempts[item]) > 1 for item in single) > 50


def test_an_object_that_is_written_twice_belongs_to_a_race_or_a_collision(played: Played) -> None:
    labels = duplicate_labels(played)
    raced = [item for item, label in labels.items() if label.mechanism == "check_then_act"]
    for item in raced:
        device = played.rows[item][0].item.device
        assert played.writes[f"screenshots/{device}/{item}.jpg"] >= 2


@pytest.mark.parametrize(
    ("kept", "least", "most"),
    [
        (EVERYTHING, 1.0, 1.0),
        (HALF, 0.48, 0.52),
        (NO_LOGS, 0.0, 0.0),
        (BACKEND_ONLY, 0.3, 0.8),
        (CLIENT_ONLY, 0.2, 0.7),
    ],
)
def test_as_many_lines_survive_as_asked_for(played: Played, kept: Kept, least: float, most: float) -> None:
    lines = survivors(played, kept)
    assert least <= len(lines) / len(played.lines) <= most
    assert {side_of(line) for line in lines} == set(kept.sides)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_line_is_read_as_the_event_that_it_was_written_for(tmp_path: Path, seed: int) -> None:

    played = play(seed, devices=6, items=60)
    config = write_world(played, tmp_path)
    settings = load_settings(config, cwd=tmp_path, environ={})
    assert settings.logs is not None
    source = open_logs(settings.logs)
    read = Counter((event.id, event.event) for event in source.events())
    meant = Counter((line.id, line.event) for line in played.lines)
    meant += Counter((line.id, "timeout") for line in played.lines if line.event == "requeue")
    assert read == meant
