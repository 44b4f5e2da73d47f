"""What the logs tell of all IDs: re-queues, repeated receives, overlapping sends, and how long things took."""

from __future__ import annotations

from dedupaudit.logs.run import LogsRequest, logs_into, read_logs

__all__ = ["LogsRequest", "logs_into", "read_logs"]
