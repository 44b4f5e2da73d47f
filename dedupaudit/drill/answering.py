"""What a drill says to programs: one document, `dedupaudit.drill/1`, and the exit code. Fields are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from dedupaudit import __version__
from dedupaudit.drill.protocol import DrillResult, StrategyResult, TableShape
from dedupaudit.errors import ExitCode

SCHEMA = "dedupaudit.drill/1"
FIGURES = (
    "requests", "rows", "duplicates", "lost", "objects", "double_uploads", "wrong_answers", "stuck", "deadlocks",
    "per_second", "p50_ms", "p99_ms",
)  # fmt: skip


def would_duplicate(result: DrillResult) -> bool | None:
    """Say whether a retry would duplicate in the table of --against; None: that cannot be said, or was not asked."""
    if result.against is None or any(one.verdict not in ("holds", "broken") for one in result.strategies):
        return None
    return any(one.duplicates for one in result.strategies)


def exit_code(result: DrillResult) -> ExitCode:
    """Return 0 where what ran held, 6 where it did not, 3 where --against got no answer."""
    if result.held:
        return ExitCode.CLEAN
    if result.against is not None and would_duplicate(result) is None:
        return ExitCode.INCOMPLETE
    return ExitCode.FAILED


def drill_json(result: DrillResult) -> dict[str, object]:
    """Return the document."""
    return {
        "schema": SCHEMA,
        "tool": {"name": "dedupaudit", "version": __version__},
        "held": result.held,
        "database": result.database,
        "scratch": result.scratch,
        "objects": result.objects,
        "redis": result.redis,
        "writers": result.writers,
        "ids": result.ids,
        "seed": result.seed,
        "started_at": result.started_at,
        "seconds": result.seconds,
        "strategies": [_strategy(one) for one in result.strategies],
        "against": _against(result.against, would_duplicate(result)) if result.against else None,
        "leftovers": list(result.leftovers),
        "remains": list(result.remains),
    }


def cleaned_json(removed: Sequence[str]) -> dict[str, object]:
    """Return what `--clean` took away."""
    return {"removed": list(removed)}


def _strategy(one: StrategyResult) -> dict[str, object]:
    strategy = one.strategy
    return {
        "name": strategy.name,
        "recommended": strategy.recommended,
        "verdict": one.verdict,
        "reason": one.reason or None,
        "says": strategy.says,
        "hole": strategy.hole or None,
        "shape": strategy.shape,
        **{name: _figure(getattr(one, name)) for name in FIGURES},
        "holes": [asdict(hole) for hole in one.holes],
    }


def _figure(figure: float | None) -> float | None:
    return round(figure, 3) if isinstance(figure, float) else figure


def _against(shape: TableShape, duplicates: bool | None) -> dict[str, object]:
    return {
        "table": shape.table,
        "would_duplicate": duplicates,
        "columns": list(shape.columns),
        "key": list(shape.key),
        "constraints": list(shape.constraints),
        "triggers": list(shape.triggers),
        "left_out": [{"what": what, "why": why} for what, why in shape.left_out],
        "uncertain": shape.uncertain,
    }
