"""Events out of the client's and the backend's logs. Further words go into words.py, or into a user's pattern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dedupaudit.config.models import LogsSettings
    from dedupaudit.interrupt import Interrupt
    from dedupaudit.sources.logs.reader import FileLogs


def open_logs(settings: LogsSettings, names: Sequence[str] = (), interrupt: Interrupt | None = None) -> FileLogs:
    """Return the logs that `names` mean, or the configured ones where there are no names; `-` is standard input.

    Nothing is read yet. Raises UsageError where a name means no file, or a pattern cannot be tried.
    """
    from dedupaudit.sources.logs.reader import FileLogs
    from dedupaudit.sources.logs.rotation import find_logs

    paths = find_logs(names or settings.files)
    return FileLogs(paths, settings.timezone, settings.events, interrupt)
