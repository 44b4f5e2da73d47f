"""What `repair apply` and `migrate apply` share: how kind they are to production, and whose lag they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.repair.pace import Kindness


def seconds_of(given: dict[str, Any], name: str) -> float | None:
    """Take a duration out of what was given; None where it was not. Raises UsageError, naming the option."""
    from dedupaudit.errors import UsageError
    from dedupaudit.units import duration

    text = given.pop(name, None)
    try:
        return None if text is None else duration(text)
    except UsageError as error:
        raise UsageError(f"--{name.replace('_', '-')}: {error.message}", error.hint) from None


def kindness_of(given: dict[str, Any]) -> Kindness:
    """Take --chunk-time, --max-lag, --max-load, --sleep and --run-time out of what was given."""
    from dedupaudit.repair.pace import Kindness

    return Kindness(
        chunk_time=seconds_of(given, "chunk_time") or 0.5,
        max_lag=seconds_of(given, "max_lag"),
        max_load=given.pop("max_load"),
        sleep=seconds_of(given, "sleep") or 0.0,
        run_time=seconds_of(given, "run_time"),
    )


def replicas_of(given: dict[str, Any]) -> tuple[DatabaseSettings, ...]:
    """Take the replicas that --replica names out of what was given."""
    return tuple(_replica(url) for url in given.pop("replica"))


def _replica(url: str) -> DatabaseSettings:
    from dedupaudit.config import DatabaseSettings
    from dedupaudit.errors import UsageError
    from dedupaudit.urls import parse_named

    try:
        name, parsed = parse_named(url)
    except UsageError as error:
        raise UsageError(f"--replica: {error.message}", error.hint) from None
    return DatabaseSettings(name or "replica", parsed)
