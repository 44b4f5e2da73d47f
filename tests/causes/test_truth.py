"""The causes that an audit gives, held against what truly happened in played incidents, with all logs or without some.

A cause is right where it was at work: of three rows, the second can have another reason than the third.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.causes.simulated.judging import Score, judged
from tests.causes.simulated.play import play
from tests.causes.simulated.writing import BACKEND_ONLY, CLIENT_ONLY, EVERYTHING, HALF, NO_LOGS, Kept

# Three seeds: a log file for each device, and one for all, with the device's name in the line and without it.
FEW = (1, 2, 3)
MANY = tuple(range(4, 16))
LOGS = {
    "all lines": EVERYTHING,
    "half the lines": HALF,
    "no logs": NO_LOGS,
    "backend only": BACKEND_ONLY,
    "client only": CLIENT_ONLY,
}


def score_of(seeds: tuple[int, ...], kept: Kept, folder: Path, items: int) -> Score:
    total = Score()
    for seed in seeds:
        total.verdicts += judged(play(seed, items=items), folder / str(seed), kept).verdicts
    return total


def assert_true(score: Score, name: str) -> None:
    assert score.wrong("proved") == []
    collisions = [one for one in score.of("id_collision") if one.check == "duplicate_ids"]
    missed = [one for one in collisions if one.name != "id_collision"]
    # Without the line of one's first send, two things under one ID, one of them retried, read like a changed retry.
    doubtful = len(collisions) // 500 if name == "half the lines" else 0
    assert collisions and len(missed) <= doubtful and all(one.confidence == "likely" for one in missed), missed
    if name in ("all lines", "half the lines"):
        assert score.precision >= 0.99, score.wrong()
    if name == "all lines":
        unknown = [one for one in score.verdicts if one.truth != "unexplained" and not one.right]
        assert score.recall >= 0.99, unknown


@pytest.mark.parametrize("name", LOGS)
def test_of_a_thousand_duplicates_no_proof_is_wrong(tmp_path: Path, name: str) -> None:
    score = score_of(FEW, LOGS[name], tmp_path, items=95)
    assert len(score.verdicts) > 1_000
    assert_true(score, name)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LOGS)
def test_of_ten_thousand_duplicates_no_proof_is_wrong(tmp_path: Path, name: str) -> None:
    score = score_of(MANY, LOGS[name], tmp_path, items=250)
    assert len(score.verdicts) > 10_000
    assert_true(score, name)
