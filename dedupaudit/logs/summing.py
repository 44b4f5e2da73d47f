"""Sums up what a history holds: totals, how long things took, and where and when re-queues happened."""

from __future__ import annotations

from collections.abc import Sequence

from dedupaudit.model import GapCount, LogFileSummary, LogGaps, LogsSummary
from dedupaudit.snapshot.escaping import unescape
from dedupaudit.snapshot.history import History
from dedupaudit.sources.logs.protocol import LogFile
from dedupaudit.sources.logs.words import EVENTS
from dedupaudit.times import iso

EDGES = (0, 1, 5, 10, 20, 25, 29, 31, 35, 40, 60, 90, 120, 300, 3600)
"""Where the classes of gaps begin, in seconds: fine round the timeout of 30 s and what follows it."""
_HOUR = 3_600_000_000
_MOST = 1_000


def summary_of(files: Sequence[LogFile], history: History, events: frozenset[str]) -> LogsSummary:
    """Return the totals; what the events that were read do not tell is null."""
    counts = history.counts
    asked = events or frozenset(EVENTS)
    by_file: dict[str, int] = {}
    by_device: dict[str, int] = {}
    by_hour: dict[str, int] = {}
    for kind, what, times in history.rows("log_requeues"):
        if kind == "file":
            by_file[history.file(int(what))] = times
        elif kind == "device" and len(by_device) < _MOST:
            by_device[unescape(what)] = times
        elif kind == "hour" and len(by_hour) < _MOST:
            by_hour[iso(int(what) * _HOUR)[:13] + "Z"] = times
    ((never_received, never_sent, received, sent),) = history.rows("log_totals")
    both = {"send", "resend", "receive"} <= asked
    return LogsSummary(
        files=len(files),
        lines=sum(file.lines for file in files),
        bytes=sum(file.bytes for file in files),
        events={name: counts[name] for name in EVENTS if name in asked},
        requeued_ids=history.count("requeue") if "requeue" in asked else None,
        repeatedly_received_ids=history.count("repeated_receive") if "receive" in asked else None,
        overlapping_ids=history.count("overlapping_send") if both and "db_write" in asked else None,
        lost_answers=counts["response_lost"] if "response_lost" in asked else None,
        sent_never_received_ids=never_received if both and received else None,
        received_never_sent_ids=never_sent if both and sent else None,
        gaps=_gaps(history) if {"send", "resend", "requeue"} <= asked else None,
        clock_skew={stream: round(ahead, 3) for stream, ahead in history.skew().items()},
        by_file=tuple(
            LogFileSummary(
                file=file.name,
                encoding=file.encoding,
                compression=file.compression,
                lines=file.lines,
                bytes=file.bytes,
                events=file.events,
                requeues=by_file.get(file.name, 0),
                damage=file.damage,
            )
            for file in files
        ),
        requeues_by_device=by_device,
        requeues_by_hour=dict(sorted(by_hour.items())),
    )


def _gaps(history: History) -> LogGaps:
    counts: dict[str, list[int]] = {"send_to_requeue": [0] * len(EDGES), "requeue_to_send": [0] * len(EDGES)}
    for kind, tenths, times in history.rows("log_gaps"):
        place = max(number for number, edge in enumerate(EDGES) if tenths >= edge * 10)
        counts[kind][place] += times
    ends = (*EDGES[1:], None)
    return LogGaps(
        **{
            kind: tuple(
                GapCount(**{"from": begin, "to": end, "count": number})
                for begin, end, number in zip(EDGES, ends, several, strict=True)
                if number
            )
            for kind, several in counts.items()
        }
    )
