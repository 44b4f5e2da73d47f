"""Results of drills made by hand: what the table, the sentences and the JSON are tested with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dedupaudit.drill.answering import FIGURES
from dedupaudit.drill.protocol import DrillResult, Hole, Strategy, StrategyResult, TableShape
from dedupaudit.drill.strategies import STRATEGIES

UNIQUE = Strategy("unique", True, "m:f", "target", "one INSERT; the violation of the constraint is caught")
REDIS_LOCK = Strategy("redis-lock", True, "m:f", "target", "a lock with a token", needs_redis=True)
VERSION = Strategy("version", True, "m:f", "versioned", "an optimistic version column")
BARE = Strategy(
    "check-then-act", False, "m:f", "bare", "SELECT, then INSERT", "between the look and the act another request looks"
)
TEXTBOOK = Strategy(
    "states-textbook", False, "m:f", "target", "the textbook's states", "a crash leaves `uploading` for ever"
)

CLEAN = StrategyResult(
    UNIQUE,
    "holds",
    requests=1234,
    rows=500,
    duplicates=0,
    lost=0,
    objects=100,
    double_uploads=0,
    wrong_answers=0,
    stuck=0,
    deadlocks=2,
    per_second=412.6,
    p50_ms=3.42,
    p99_ms=1104.7,
)
SKIPPED = StrategyResult(REDIS_LOCK, "skipped", reason="no --redis was given")
HOLES = (Hole("duplicates", 37, "activity_1766557428498"), Hole("double_uploads", 9, "screenshot_1766557428498"))
SHOWN = replace(
    CLEAN, strategy=BARE, verdict="hole_shown", rows=537, duplicates=37, double_uploads=9, deadlocks=0, holes=HOLES
)
NOT_SHOWN = replace(CLEAN, strategy=TEXTBOOK, verdict="hole_not_shown")
BROKEN = replace(
    CLEAN,
    strategy=VERSION,
    verdict="broken",
    lost=1,
    wrong_answers=1,
    holes=(Hole("lost", 1, "activity_1"), Hole("wrong_answers", 1, "activity_1")),
)
UNCLEAR = replace(
    CLEAN, verdict="unknown", reason="the scan could not look", duplicates=None, holes=(Hole("unclear", 3, "a"),)
)

HELD = DrillResult(
    database="postgresql://drill@staging/app",
    scratch="schema dedupaudit_drill_1f",
    objects="a temporary folder",
    redis=None,
    writers=32,
    ids=500,
    seed=7,
    started_at="2026-11-29T11:05:00.000Z",
    seconds=41.3,
    strategies=(CLEAN, SKIPPED, SHOWN),
)
FAILED = replace(HELD, strategies=(CLEAN, BROKEN, SHOWN))

SHAPE = TableShape(
    table="app.activities",
    columns=("id", "device_id", "data"),
    key=("id",),
    constraints=("PRIMARY KEY (id)",),
    triggers=("fill_device",),
    left_out=(("foreign key device_fk", "it refers to another table"),),
)
PROTECTED = replace(HELD, strategies=(CLEAN,), against=SHAPE)
UNPROTECTED = replace(
    HELD,
    strategies=(replace(SHOWN, strategy=UNIQUE, verdict="broken"),),
    against=replace(SHAPE, constraints=()),
)
OPEN = replace(
    HELD,
    strategies=(replace(CLEAN, verdict="unknown", reason="the trigger guard was left out"),),
    against=replace(SHAPE, left_out=(("trigger guard", "it writes to another schema"),), uncertain=True),
)


_OBJECT = "screenshots/device-1/screenshot_1766557431179.jpg"
_FIGURES: dict[str, tuple[tuple[float, ...], tuple[Hole, ...]]] = {
    "unique": ((750, 500, 0, 0, 143, 0, 0, 0, 0, 250, 37, 400), ()),
    "redis-lock": ((750, 500, 0, 0, 143, 0, 0, 0, 0, 136, 121, 794), ()),
    "for-update": ((750, 500, 0, 0, 143, 0, 0, 0, 0, 286, 42, 511), ()),
    "version": ((750, 500, 0, 0, 143, 0, 0, 0, 0, 224, 51, 365), ()),
    "check-then-act": (
        (754, 697, 198, 20, 144, 41, 20, 0, 0, 221, 100, 369),
        (
            Hole("duplicates", 198, "activity_1766557430366"),
            Hole("lost", 20, "activity_1766557458494"),
            Hole("wrong_answers", 20, "activity_1766557458494"),
            Hole("double_uploads", 41, _OBJECT),
        ),
    ),
    "redis-textbook": (
        (761, 504, 5, 33, 143, 5, 33, 0, 0, 193, 116, 488),
        (
            Hole("duplicates", 5, "screenshot_1766557434837"),
            Hole("lost", 33, "activity_1766557462707"),
            Hole("wrong_answers", 33, "activity_1766557462707"),
            Hole("double_uploads", 5, "screenshots/device-6/screenshot_1766557441556.jpg"),
        ),
    ),
    "for-update-bare": (
        (753, 688, 189, 23, 144, 39, 23, 0, 0, 269, 76, 435),
        (
            Hole("duplicates", 189, "activity_1766557429162"),
            Hole("lost", 23, "activity_1766557463822"),
            Hole("wrong_answers", 23, "activity_1766557463822"),
            Hole("double_uploads", 39, _OBJECT),
        ),
    ),
    "states-textbook": (
        (769, 500, 0, 36, 140, 13, 33, 4, 0, 194, 52, 397),
        (
            Hole("lost", 36, "activity_1766557469673"),
            Hole("wrong_answers", 33, "activity_1766557469673"),
            Hole("double_uploads", 13, _OBJECT),
            Hole("stuck", 4, "screenshot_1766557438265"),
        ),
    ),
}


def _of_page(strategy: Strategy) -> StrategyResult:
    counts, holes = _FIGURES[strategy.name]
    figures: dict[str, Any] = dict(zip(FIGURES, counts, strict=True))
    return StrategyResult(strategy, "holds" if strategy.recommended else "hole_shown", holes=holes, **figures)


OF_PAGE = replace(
    HELD,
    scratch="schema dedupaudit_drill_17bb4f94 in staging/app",
    redis="redis://cache",
    strategies=tuple(map(_of_page, STRATEGIES)),
    seconds=58.2,
)
"""What docs/drill.md shows: a drill of every strategy on two slow processors."""
