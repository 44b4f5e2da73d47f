"""Exact totals of a table, an object store, the logs."""

from __future__ import annotations

from pydantic import Field

from dedupaudit.model.finding import Part


class GroupInflation(Part):
    """Inflation of one kind (`click`), over all of its rows."""

    group: str | int | None
    rows: int
    distinct_ids: int
    inflation: float


class DaySurplus(Part):
    """Surplus rows by the UTC day on which they were written; `day` is null for rows without a time."""

    day: str | None
    surplus_rows: int


class CauseCount(Part):
    """How many findings have one cause, by how sure it is."""

    proved: int = 0
    likely: int = 0
    none: int = 0


class Collisions(Part):
    """IDs that stand for different events: how many there are, and how many were to be expected."""

    ids: int
    rate: float = Field(description="collisions for each distinct ID")
    expected: float | None = Field(
        description="the birthday bound: of as many events, spread evenly over the milliseconds between the first and "
        "the last; null where the table has no time"
    )
    events_per_second: float | None = Field(description="over all devices, between the first and the last event")
    devices: int | None = Field(description="of the first 100,000 rows; null where the table names none")
    suggested_key: tuple[str, ...]


class TableSummary(Part):
    """Exact totals of one table, or null where they were not looked at.

    rows = distinct_ids + surplus_rows + null_ids; surplus_rows = duplicate_rows - duplicate_ids;
    inflation = surplus_rows / distinct_ids.
    """

    rows: int | None = None
    distinct_ids: int | None = None
    duplicate_ids: int | None = None
    duplicate_rows: int | None = None
    surplus_rows: int | None = None
    inflation: float | None = None
    null_ids: int | None = None
    blank_ids: int | None = None
    by_group: tuple[GroupInflation, ...] | None = None
    by_day: tuple[DaySurplus, ...] | None = None
    causes: dict[str, CauseCount] | None = Field(
        default=None, description="duplicate IDs by cause.name; null where they were not held against logs"
    )
    collisions: Collisions | None = Field(
        default=None, description="null where no ID stands for different events, or causes were not counted"
    )


class ObjectRequests(Part):
    """How many requests were sent to the object store; each attempt counts, because each is billed."""

    list: int = 0
    head: int = 0
    other: int = 0


class ObjectsSummary(Part):
    """Exact totals of one object store, or null where they were not looked at."""

    rows: int | None = Field(default=None, description="rows that were held against the objects")
    objects: int | None = Field(default=None, description="objects below the prefix, without what this tool put there")
    bytes: int | None = None
    missing_object: int | None = None
    orphan_object: int | None = None
    size_mismatch: int | None = None
    etag_mismatch: int | None = None
    shared_object: int | None = None
    unexpected_object: int | None = None
    misplaced_object: int | None = None
    multipart_leftover: int | None = None
    orphan_bytes: int | None = Field(default=None, description="bytes of the orphan objects")
    missing_bytes: int | None = Field(default=None, description="bytes of the missing objects, as their rows say")
    multipart_bytes: int | None = Field(default=None, description="bytes of the parts of interrupted uploads")
    requests: ObjectRequests = Field(default_factory=ObjectRequests)


class GapCount(Part):
    """How many gaps were at least `from` seconds long, and shorter than `to` (null: no end)."""

    from_: float = Field(alias="from")
    to: float | None
    count: int


class LogGaps(Part):
    """How long re-queued IDs waited: from a send to the re-queue, and from there to the next send."""

    send_to_requeue: tuple[GapCount, ...] = ()
    requeue_to_send: tuple[GapCount, ...] = ()


class LogFileSummary(Part):
    """One log file. `damage` says why it, or a part of it, could not be read."""

    file: str
    encoding: str
    compression: str
    lines: int
    bytes: int = Field(description="after unpacking, as far as it was read")
    events: int
    requeues: int
    damage: str | None = None


class LogsSummary(Part):
    """Exact totals of the logs, or null where they were not looked at."""

    files: int
    lines: int
    bytes: int = Field(description="after unpacking")
    events: dict[str, int]
    requeued_ids: int | None = None
    repeatedly_received_ids: int | None = None
    overlapping_ids: int | None = None
    lost_answers: int | None = Field(default=None, description="lines that say that an answer was lost")
    sent_never_received_ids: int | None = Field(default=None, description="null where no log tells of receives")
    received_never_sent_ids: int | None = Field(default=None, description="null where no log tells of sends")
    gaps: LogGaps | None = None
    clock_skew: dict[str, float] = Field(
        default_factory=dict, description="seconds by which a client's clock is ahead of the backend's, by its log"
    )
    by_file: tuple[LogFileSummary, ...] = ()
    requeues_by_device: dict[str, int] = Field(default_factory=dict)
    requeues_by_hour: dict[str, int] = Field(default_factory=dict, description="by the UTC hour")
