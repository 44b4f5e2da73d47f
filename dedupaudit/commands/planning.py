"""What `repair plan` and `migrate plan` share: the limit of what may go, and the logs that explain duplicates."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dedupaudit.causes.explainer import Explainer
    from dedupaudit.config import Settings
    from dedupaudit.interrupt import Runtime
    from dedupaudit.progress import Progress
    from dedupaudit.repair.plan import Limit


def limit_of(given: tuple[str, ...]) -> Limit:
    """Return --max-delete: a share, a number of rows, or both."""
    from dedupaudit.display import visible
    from dedupaudit.errors import UsageError
    from dedupaudit.repair.plan import Limit

    if not given:
        return Limit(percent=10.0)
    limit: dict[str, float | int] = {}
    for text in (part.strip() for one in given for part in one.split(",")):
        number = text.removesuffix("%").strip()
        try:
            value = float(number) if text.endswith("%") else int(number)
        except ValueError:
            value = -1
        if not 0 <= value < 1e15 or (text.endswith("%") and value > 100):
            raise UsageError(
                f"--max-delete {visible(text)} is no limit", "it is a number of rows (5000) or a share (30%)"
            )
        kind = "percent" if text.endswith("%") else "rows"
        # Each is a limit: of two of a kind the lower one holds.
        limit[kind] = min(value, limit.get(kind, value))
    return Limit(**limit)


def explainer_of(
    settings: Settings, runtime: Runtime, progress: Progress, stack: ExitStack, command: str
) -> Explainer | None:
    """Return what knows the logs, where some are configured."""
    if settings.logs is None or not settings.logs.files:
        return None
    from dedupaudit.building import Building
    from dedupaudit.causes.explainer import Explainer
    from dedupaudit.logs import LogsRequest, logs_into
    from dedupaudit.snapshot.history import History

    history = stack.enter_context(History(settings.options.memory_limit))
    building = Building(command, 0, None)
    logs_into(building, settings, LogsRequest(unchecked=True), history, interrupt=runtime.interrupt, progress=progress)
    return Explainer(history)
