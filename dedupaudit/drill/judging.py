"""What became of a strategy: what clients were told, held against the rows, the objects and the project's own audit."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, column, select, table

from dedupaudit.building import Outcome
from dedupaudit.config import ObjectsSettings, Settings, TableSettings
from dedupaudit.display import visible
from dedupaudit.drill.clients import Observed, Told
from dedupaudit.drill.messages import Put
from dedupaudit.drill.protocol import Event, Hole, Scratch, Strategy, StrategyResult, TableShape, Verdict
from dedupaudit.drill.scenario import Plan
from dedupaudit.errors import Cancelled, SourceError
from dedupaudit.ingest.events import Activity
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.reports.words import plural
from dedupaudit.scan import ScanRequest, scan
from dedupaudit.stores.protocol import ObjectStore

if TYPE_CHECKING:
    from dedupaudit.drill.against import AgainstTable

TABLES = ("activities", "screenshots")
_COLUMNS = {
    "activities": ("id", "device_id", "type", "timestamp", "data"),
    "screenshots": ("id", "device_id", "timestamp", "status", "oss_key"),
}
_UNFINISHED = ("pending", "uploading")
_AT_ONCE = 8
_TELLING = 4
"""Of so many plans whose requests should overlap, one does, or the machine is to blame."""
_SURE = 0.9
"""Of a lease, this share is certainly not over, whatever the clocks of server and backend make of it."""
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Audit:
    """What `scan` and `crosscheck` found in the scratch. `reason` says what they could not look at."""

    rows: int
    duplicates: int
    objects: int | None
    high: int
    reason: str = ""
    examples: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By check: how many findings, and an ID or a key of one."""
    distinct: int | None = None
    """Different IDs that are stored."""


def audit(scratch: Scratch, objects: ObjectsSettings, interrupt: Interrupt) -> Audit:
    """Audit the scratch as a user would, with no grace for what is young. Raises Cancelled."""
    from dedupaudit.crosscheck import crosscheck

    tables = {name: TableSettings(name=scratch.table(name), key=("id",)) for name in TABLES}
    settings = Settings((scratch.database(),), tables, objects)
    request = ScanRequest(stuck_after=0.0)
    scanned = scan(settings, request, interrupt=interrupt, progress=SILENT)
    crossed = crosscheck(settings, request, interrupt=interrupt, progress=SILENT)
    for outcome in (scanned, crossed):
        if outcome.signum is not None:
            raise Cancelled(outcome.signum)
    summaries = scanned.report.summary.tables.values()
    stores = (crossed.report.summary.objects or {}).values()
    return Audit(
        rows=sum(one.rows or 0 for one in summaries),
        duplicates=sum(one.surplus_rows or 0 for one in summaries),
        objects=next((one.objects for one in stores), None),
        high=scanned.confirmed["high"] + crossed.confirmed["high"],
        reason="; ".join(dict.fromkeys([*_not_looked_at(scanned), *_not_looked_at(crossed)])),
        examples=_examples(scanned) | _examples(crossed),
    )


def audit_table(scratch: Scratch, against: AgainstTable, interrupt: Interrupt) -> Audit:
    """Audit the copy of a user's table as that is configured. Raises Cancelled."""
    name = against.shape.table
    settings = Settings((scratch.database(),), {name: against.settings})
    outcome = scan(settings, ScanRequest((name,)), interrupt=interrupt, progress=SILENT)
    if outcome.signum is not None:
        raise Cancelled(outcome.signum)
    summary = next(iter(outcome.report.summary.tables.values()), None)
    reason = "; ".join(dict.fromkeys(_not_looked_at(outcome)))
    if summary is None or summary.rows is None:
        raise SourceError(f"the copy of {visible(name)} could not be audited: {reason}", "run the drill again")
    return Audit(
        rows=summary.rows,
        duplicates=summary.surplus_rows or 0,
        objects=None,
        high=outcome.confirmed["high"],
        reason=reason,
        examples=_examples(outcome),
        distinct=summary.distinct_ids,
    )


def _not_looked_at(outcome: Outcome) -> Iterator[str]:
    for row in outcome.report.coverage:
        if row.status in ("failed", "stopped"):
            yield f"{row.check} of {row.target}: {row.reason}"
    if outcome.report.summary.by_verdict["unknown"]:
        yield f"{outcome.report.run.command}: a verdict is unknown"


def _examples(outcome: Outcome) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for finding in outcome.report.findings:
        number = outcome.report.summary.by_check[finding.check]
        found.setdefault(finding.check, (number, str(next(iter(finding.key.values()), finding.target))))
    return found


@dataclass(frozen=True)
class Rows:
    """The rows of the scratch, by ID."""

    activities: Mapping[str, Sequence[_Row]]
    screenshots: Mapping[str, Sequence[_Row]]

    @property
    def unfinished(self) -> list[str]:
        """The IDs of the rows that are left `pending` or `uploading`."""
        return [id_ for id_, rows in self.screenshots.items() for row in rows if row["status"] in _UNFINISHED]


def read_rows(connection: Connection, scratch: Scratch) -> Rows:
    """Read all rows that the strategy left."""
    found: dict[str, dict[str, list[_Row]]] = {}
    for name in TABLES:
        by_id = found[name] = defaultdict(list)
        for row in connection.execute(_select(name, scratch.table(name))):
            by_id[row.id].append(row._asdict())
    return Rows(found["activities"], found["screenshots"])


def _select(name: str, real: tuple[str, ...]) -> Any:
    columns: list[Any] = [column(text) for text in _COLUMNS[name]]
    return select(*columns).select_from(table(real[-1], *columns, schema=real[0] if len(real) > 1 else None))


class Truth:
    """Says of an event whether it is stored: a row of its payload, and for a picture an object of its content."""

    def __init__(self, rows: Rows, store: ObjectStore) -> None:
        self._rows = rows
        self._store = store

    def places(self, event: Event) -> list[str | None]:
        """Return the object's key of each row that the event has; None for an activity's. Raises SourceError."""
        if isinstance(event, Activity):
            return [None for row in self._rows.activities.get(event.id, ()) if _is_row_of(row, event)]
        return [
            row["oss_key"]
            for row in self._rows.screenshots.get(event.id, ())
            if row["status"] == "completed"
            and (row["device_id"], row["timestamp"]) == (event.device_id, event.timestamp)
            and row["oss_key"]
            and self._store.holds(row["oss_key"], event.picture)
        ]

    def url(self, key: str) -> str:
        """Return the URL that a client is to be told."""
        return self._store.url(key)


def _is_row_of(row: _Row, event: Activity) -> bool:
    told = (row["device_id"], row["type"], row["timestamp"])
    return told == (event.device_id, event.type, event.timestamp) and _json(row["data"]) == event.data


def _json(data: object) -> object:
    """Return a column of JSON as a value: drivers give text, bytes or the value itself."""
    return json.loads(data) if isinstance(data, str | bytes) else data


def judge(
    strategy: Strategy,
    plans: Sequence[Plan],
    observed: Observed,
    audited: Audit,
    rows: Rows,
    store: ObjectStore,
    lease: float,
) -> StrategyResult:
    """Return what came of a strategy. Raises SourceError where the store cannot be looked at."""
    lost, wrong = _held_against(plans, observed.told, Truth(rows, store))
    doubles = double_uploads(observed.puts, lease)
    stuck = rows.unfinished
    holes = [
        *_hole("duplicates", audited.duplicates, [audited.examples.get("duplicate_ids", (0, ""))[1]]),
        *_hole("lost", len(lost), lost),
        *_hole("wrong_answers", len(wrong), wrong),
        *_hole("double_uploads", len(doubles), doubles),
        *_hole("stuck", len(stuck), stuck),
    ]
    for what, check in (("orphans", "orphan_object"), ("missing", "missing_object")):
        number, example = audited.examples.get(check, (0, ""))
        holes += _hole(what, number, [example])
    unclear = _unclear(observed, audited)
    if observed.missed and strategy.recommended:
        unclear.append(f"what was to go wrong did not: {plural(observed.missed, 'request')}")
    holes += _hole("unclear", len(unclear), unclear)
    is_broken = bool(audited.high) or any(hole.what not in ("orphans", "unclear") for hole in holes)
    times = sorted(observed.seconds)
    return StrategyResult(
        strategy,
        _verdict(strategy, is_broken, bool(unclear)),
        "; ".join([*unclear, *_grave(audited, holes), *_given_up(observed)]),
        requests=observed.requests,
        rows=audited.rows,
        duplicates=audited.duplicates,
        lost=len(lost),
        objects=audited.objects,
        double_uploads=len(doubles),
        wrong_answers=len(wrong),
        stuck=len(stuck),
        deadlocks=observed.deadlocks,
        per_second=observed.per_second,
        p50_ms=_percentile(times, 0.5),
        p99_ms=_percentile(times, 0.99),
        holes=tuple(holes),
    )


def judge_table(strategy: Strategy, observed: Observed, audited: Audit, shape: TableShape) -> StrategyResult:
    """Return what came of sending the same rows again to the copy of a user's table.

    What a row is like there its triggers decide, so rows are counted and not compared. That none came twice says
    nothing of events that are not there, or that are there by another key than was sent.
    """
    stored = {one.event.id for one in observed.told if one.ending == "told"}
    told = {one.event.id for one in observed.told}
    distinct = audited.distinct or 0
    missing, lost = max(0, len(stored) - distinct), max(0, len(told) - distinct)
    unclear = _unclear(observed, audited)
    if lost:
        unclear.append(f"of {plural(len(told), 'event')} {lost:,} never came into the table")
    if audited.rows - audited.duplicates > len(told):
        unclear.append(
            f"{plural(len(told), 'event')} made {plural(audited.rows - audited.duplicates, 'row')} of another key each:"
            " something changes the key on its way in"
        )
    if observed.requests <= len(told):
        unclear.append("no event was sent a second time")
    if not audited.duplicates:
        unclear += shape.doubts
    holes = [
        *_hole("duplicates", audited.duplicates, [audited.examples.get("duplicate_ids", (0, ""))[1]]),
        *_hole("lost", lost, [shape.table]),
        *_hole("wrong_answers", missing, [shape.table]),
    ]
    is_open = bool(unclear) and not audited.duplicates
    if shape.uncertain and audited.duplicates:
        is_open = True
        unclear.append("something was left out of the copy that may keep duplicates out")
    times = sorted(observed.seconds)
    return StrategyResult(
        strategy,
        "unknown" if is_open else "broken" if audited.duplicates else "holds",
        "; ".join([*unclear, *_given_up(observed)]),
        requests=observed.requests,
        rows=audited.rows,
        duplicates=audited.duplicates,
        lost=lost,
        wrong_answers=missing,
        deadlocks=observed.deadlocks,
        per_second=observed.per_second,
        p50_ms=_percentile(times, 0.5),
        p99_ms=_percentile(times, 0.99),
        holes=(*holes, *_hole("unclear", len(unclear), unclear)),
    )


def _verdict(strategy: Strategy, is_broken: bool, is_unclear: bool) -> Verdict:
    if strategy.recommended:
        return "broken" if is_broken else "unknown" if is_unclear else "holds"
    return "hole_shown" if is_broken else "unknown" if is_unclear else "hole_not_shown"


def _unclear(observed: Observed, audited: Audit) -> list[str]:
    """Return why nobody can say that it holds."""
    reasons = [audited.reason] if audited.reason else []
    if observed.unanswered:
        reasons.append(f"never answered: {plural(observed.unanswered, 'request')}")
    if observed.sweep_error:
        reasons.append(f"the sweep failed: {observed.sweep_error}")
    if observed.alone >= _TELLING and not observed.overlapped:
        reasons.append("no two requests were under way at the same moment: this machine is too busy for a drill")
    return reasons


def _grave(audited: Audit, holes: Sequence[Hole]) -> Iterator[str]:
    """Yield what the audit calls grave where no figure of the table shows it."""
    if audited.high and all(hole.what in ("orphans", "unclear") for hole in holes):
        yield f"the audit found {', '.join(sorted(audited.examples)) or 'something grave'}"


def _given_up(observed: Observed) -> Iterator[str]:
    """Yield what those who gave up were told most: a full disk is no hole in a strategy."""
    number = sum(one.ending == "gave_up" for one in observed.told)
    if number and observed.errors:
        error, times = observed.errors.most_common(1)[0]
        yield f"{plural(number, 'client')} gave up; {plural(times, 'request')} failed with {error}"


def _hole(what: Any, number: int, examples: Sequence[str]) -> list[Hole]:
    return [Hole(what, number, examples[0])] if number else []


def _held_against(plans: Sequence[Plan], told: Iterable[Told], truth: Truth) -> tuple[list[str], list[str]]:
    """Return the IDs of the events that were lost, one each, and of the answers that were wrong."""
    by_plan: dict[int, list[Told]] = defaultdict(list)
    for one in told:
        by_plan[one.plan].append(one)

    def look(number: int) -> tuple[list[str], list[str]]:
        return _one_id(plans[number], by_plan[number], truth)

    with ThreadPoolExecutor(_AT_ONCE, "drill") as pool:
        found = list(pool.map(look, by_plan))
    return [id_ for lost, _ in found for id_ in lost], [id_ for _, wrong in found for id_ in wrong]


def _one_id(plan: Plan, told: Sequence[Told], truth: Truth) -> tuple[list[str], list[str]]:
    """Judge all that was said of one ID.

    Of events that differ one is to be stored, and the others' clients are to be told that they collide with it: that
    explains why theirs is not there. A client that sent once and left may have been lost.
    """
    events = _distinct(client.event for client in plan.clients)
    places = [truth.places(event) for event in events]
    lost: list[str] = []
    wrong: list[str] = []
    for event, where in zip(events, places, strict=True):
        answers = [one.answer for one in told if one.event == event and one.ending != "left"]
        collided = [answer for answer in answers if answer is not None and answer.said == "collision"]
        succeeded = [answer for answer in answers if answer is not None and answer.said != "collision"]
        is_other_there = any(places) and not where
        urls = {truth.url(key) for key in where if key is not None}
        wrong += [event.id for _ in collided if not is_other_there]
        wrong += [event.id for one in succeeded if not where or (one.url is not None and one.url not in urls)]
        if answers and not where and not (collided and is_other_there):
            lost.append(event.id)
    return lost, wrong


def _distinct(events: Iterable[Event]) -> list[Event]:
    distinct: list[Event] = []
    for event in events:
        if event not in distinct:
            distinct.append(event)
    return distinct


def double_uploads(puts: Iterable[Put], lease: float) -> list[str]:
    """Return the key of each upload that should not have been: over an object, or beside another upload of the key.

    Beside another: that one did not fail, and both were asked for so shortly before that no lease that they took can
    have expired. After that, a second upload is what a lease is for.
    """
    by_key: dict[str, list[Put]] = defaultdict(list)
    for put in sorted(puts, key=lambda one: one.began):
        by_key[put.key].append(put)
    found = []
    for key, uploads in by_key.items():
        written = [put for put in uploads if put.written]
        beside = {
            id(put)
            for number, put in enumerate(uploads)
            if put.began - put.asked < _SURE * lease
            and any(not one.failed and put.began - one.asked < _SURE * lease for one in uploads[:number])
        }
        found += [key] * len(beside | set(map(id, written[1:])))
    return found


def _percentile(times: Sequence[float], share: float) -> float | None:
    """Return the time, in milliseconds, that this share of all did not exceed; `times` are sorted."""
    return round(times[ceil(share * len(times)) - 1] * 1000, 3) if times else None
