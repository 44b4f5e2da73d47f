"""The second played incident itself, which was written from the incident's description alone."""

from __future__ import annotations

import gzip
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.causes.second_opinion.client import TIMEOUT
from tests.causes.second_opinion.files import write_world
from tests.causes.second_opinion.judging import judged
from tests.causes.second_opinion.records import BACKEND, Item, World
from tests.causes.second_opinion.truth import truth_of
from tests.causes.second_opinion.world import simulate

DUPLICATES = {
    "timeout_retry",
    "overlapping_batches",
    "check_then_act",
    "several_devices",
    "id_collision",
    "unexplained",
}


@pytest.fixture(scope="module", params=(1, 2))
def world(request: pytest.FixtureRequest) -> World:
    return simulate(request.param, 4_000)


def lines_below(folder: Path) -> list[str]:
    read = []
    for path in sorted((folder / "logs").iterdir()):
        raw = path.read_bytes()
        read += (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()
    return read


def test_one_seed_plays_one_world() -> None:
    first, again, other = simulate(5, 300), simulate(5, 300), simulate(6, 300)
    assert first.lines == again.lines
    assert truth_of(first) == truth_of(again)
    assert first.lines != other.lines


def test_every_row_was_sent_received_and_written_in_this_order(world: World) -> None:
    restored = [row for row in world.rows if row.attempt is None]
    assert 0 < len(restored) < 50
    for attempt in (row.attempt for row in world.rows if row.attempt is not None):
        assert attempt.received is not None
        assert attempt.wrote is not None
        assert attempt.sent < attempt.received < attempt.wrote
    sent = {id(attempt.item) for attempt in world.attempts}
    assert sent == {id(item) for item in world.items}


def test_a_client_sends_again_only_after_it_gave_up(world: World) -> None:
    by_item: dict[int, list[int]] = {}
    for attempt in world.attempts:
        by_item.setdefault(id(attempt.item), []).append(attempt.sent)
    again = [later - earlier for sent in by_item.values() for earlier, later in zip(sent, sent[1:], strict=False)]
    assert min(again) > TIMEOUT
    assert sum(wait < 2 * TIMEOUT + 2_000 for wait in again) / len(again) > 0.8


def test_exactly_the_duplicated_ids_have_a_label(world: World) -> None:
    counts = Counter((row.item.table, row.item.id) for row in world.rows)
    truth = truth_of(world)
    assert set(truth.duplicates) == {key for key, count in counts.items() if count > 1}
    assert all(label in truth.also[key] for key, label in truth.duplicates.items())


def test_every_mechanism_occurs(world: World) -> None:
    truth = truth_of(world)
    counts = Counter(truth.duplicates.values())
    assert set(counts) == DUPLICATES
    assert min(counts.values()) >= 5
    assert set(truth.missing.values()) == {"row_before_object", "unexplained"}


def test_things_that_collide_differ_and_copies_do_not(world: World) -> None:
    items: dict[tuple[str, str], set[Item]] = {}
    for row in world.rows:
        items.setdefault((row.item.table, row.item.id), set()).add(row.item)
    for key, label in truth_of(world).duplicates.items():
        assert (len({item.payload for item in items[key]}) > 1) == (label == "id_collision")
        assert label != "several_devices" or len({item.device for item in items[key]}) > 1


def test_all_is_written_down(world: World, tmp_path: Path) -> None:
    assert write_world(world, tmp_path) == truth_of(world)
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        tables = ("activities", "processes", "screenshots")
        stored = [row for table in tables for row in connection.execute(f"SELECT id, device_id FROM {table}")]
    assert Counter(stored) == Counter((row.item.id, row.item.device) for row in world.rows)
    objects = {str(path.relative_to(tmp_path / "objects")) for path in (tmp_path / "objects").rglob("*.jpg")}
    assert objects == set(world.objects)
    assert Counter(line.split(" ", 1)[1] for line in lines_below(tmp_path)) == Counter(
        line.text for line in world.lines
    )


def test_lines_can_be_left_out(world: World, tmp_path: Path) -> None:
    backend = sum(line.stream == BACKEND for line in world.lines)
    for name in ("half", "clients", "backend", "none"):
        (tmp_path / name).mkdir()
    write_world(world, tmp_path / "half", keep=0.5)
    assert 0.47 < len(lines_below(tmp_path / "half")) / len(world.lines) < 0.53
    write_world(world, tmp_path / "clients", backend_log=False)
    assert len(lines_below(tmp_path / "clients")) == len(world.lines) - backend
    write_world(world, tmp_path / "backend", client_logs=False)
    assert len(lines_below(tmp_path / "backend")) == backend
    write_world(world, tmp_path / "none", client_logs=False, backend_log=False)
    assert lines_below(tmp_path / "none") == []


def test_an_audit_finds_all_that_is_wrong_and_nothing_that_is_healthy(world: World, tmp_path: Path) -> None:
    truth = write_world(world, tmp_path)
    verdicts = judged(tmp_path, truth)
    assert len(verdicts) == len(truth.duplicates) + len(truth.missing)
    assert [verdict for verdict in verdicts if verdict.truth is None or verdict.given is None] == []
