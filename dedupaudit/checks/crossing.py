"""What a check of objects is: it reads what two looks at rows and objects found, and judges each suspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dedupaudit.checks.base import EVIDENCE_LIMIT, TableScan, show_key
from dedupaudit.display import visible
from dedupaudit.model import Base64, Evidence, Finding, KeyValue, Severity, Verdict, fingerprint
from dedupaudit.snapshot.crossing import Crossing
from dedupaudit.snapshot.suspects import Suspect
from dedupaudit.sources.tables.protocol import Value
from dedupaudit.times import iso_or_none, parse_time

if TYPE_CHECKING:
    from dedupaudit.causes.explainer import Explained, Explainer

UNKNOWN_STATE = 2
"""`Suspect.state` of a row whose status says nothing that is known."""
_ORDER: tuple[Verdict, ...] = ("confirmed", "unknown", "in_grace")


@dataclass(frozen=True)
class ObjectCheck:
    """One check. It speaks of `rows` (a finding an ID, in a table) or of `objects` (a finding a key, in the store).

    `looks_at` says that its suspects are only confirmed when their object was looked at again.
    """

    name: str
    severity: Severity
    about: Literal["rows", "objects"]
    findings: Callable[[CrossScan], Iterator[Finding]]
    looks_at: bool = True


class Judged(NamedTuple):
    """One suspect with its verdict, and why that is not `confirmed`."""

    suspect: Suspect
    verdict: Verdict
    why: str = ""


@dataclass
class CrossScan:
    """One crosscheck when both looks are over. Times are microseconds since the epoch."""

    crossing: Crossing
    tables: Sequence[TableScan]
    shown: str
    young_after: int
    """What was written later is young: `since`, less the grace."""
    since: int
    """When the run began, or the inventory that is read."""
    blind: str | None = None
    """Why no object could be looked at again at all."""
    unread: dict[int, str] = field(default_factory=dict)
    """Tables that could not be read again, and why."""
    unsure: str | None = None
    """Why no object can be called an orphan for certain."""
    weights: dict[str, int] = field(default_factory=dict)
    """Bytes that a check's findings are about, by the check's name."""
    uploads: Sequence[Any] = ()
    left_out: int = 0
    """Objects that were there before and were not listed: so others may have been left out that no row names."""
    explainer: Explainer | None = None
    """What knows the logs; None where none were read."""

    def moment(self, table: int, *times: Value) -> int | None:
        """Return the latest of a row's times."""
        zone = self.tables[table].table.zone
        known = [at for value in times if (at := parse_time(value, zone)) is not None]
        return max(known, default=None)

    def is_young(self, table: int, written: Value, changed: Value) -> bool:
        """Say whether a row is so young that its object, or it itself, may still be on its way."""
        at = self.moment(table, written, changed)
        return at is not None and at > self.young_after

    def judged(self, check: ObjectCheck) -> Iterator[list[Judged]]:
        """Yield the suspects of a check with their verdicts, those of one ID together, without what was resolved."""
        for _id, same in groupby(self.crossing.suspects(check.name), key=lambda one: (one.table, one.ident)):
            verdicts = [judged for suspect in same if (judged := self.judge(check, suspect))]
            if verdicts:
                yield verdicts

    def judge(self, check: ObjectCheck, suspect: Suspect) -> Judged | None:
        """Return the verdict on one suspect, None where the second look did not find it again."""
        if self.is_young(suspect.table, suspect.written, suspect.changed):
            return Judged(suspect, "in_grace", "the row is younger than the grace period")
        if check.looks_at and (suspect.object_modified or 0) > self.young_after:
            return Judged(suspect, "in_grace", "the object is younger than the grace period")
        if suspect.table in self.unread:
            return Judged(suspect, "unknown", f"the rows could not be read again: {self.unread[suspect.table]}")
        if check.looks_at and (self.blind or suspect.unseen):
            return Judged(
                suspect, "unknown", f"the object could not be looked at again: {self.blind or suspect.unseen}"
            )
        if not suspect.again:
            return None
        if check.name == "missing_object" and suspect.state == UNKNOWN_STATE:
            status = "no status" if suspect.status is None else f"the status {show_key((suspect.status,))}"
            return Judged(suspect, "unknown", f"the row has {status}, which does not say whether it has an object")
        return Judged(suspect, "confirmed")

    def row_finding(
        self,
        check: ObjectCheck,
        rows: Sequence[Judged],
        message: str,
        suggestion: str,
        evidence: Sequence[Evidence] = (),
        explained: Explained | None = None,
    ) -> Finding:
        """Return the finding about the rows of one ID; `message` goes on after the ID."""
        worst = min(rows, key=lambda one: _ORDER.index(one.verdict))
        suspect = worst.suspect
        scan = self.tables[suspect.table]
        more = f" ({len(rows)} rows of this ID)" if len(rows) > 1 else ""
        return scan.finding(
            check,
            scan.key_of(suspect.id),
            count=len(rows),
            verdict=worst.verdict,
            message=f"{show_key(suspect.id)} {message}{more}{': ' if worst.why else ''}{worst.why}",
            suggestion=suggestion,
            evidence=[
                *(self.row(one.suspect) for one in rows[:EVIDENCE_LIMIT]),
                *evidence,
                *(explained.evidence if explained else ()),
            ],
            cause=explained.cause if explained else None,
        )

    def row(self, suspect: Suspect) -> Evidence:
        """Return one row as evidence: where it is and what it says of its object."""
        at = self.moment(suspect.table, suspect.written)
        said = [f"names {visible(suspect.key)}"]
        if suspect.status is not None:
            said.insert(0, f"status {show_key((suspect.status,))}")
        if suspect.size is not None:
            said.append(f"{suspect.size:,} bytes")
        return self.tables[suspect.table].row(suspect.locator, at, ", ".join(said))

    def object(self, key: str, text: str, at: int | None = None) -> Evidence:
        """Return what is known of an object as evidence."""
        return Evidence(kind="object", at=iso_or_none(at), where=f"{self.shown} {visible(key)}", text=text)

    def object_finding(
        self, check: ObjectCheck, key: str, *, count: int, verdict: Verdict, message: str, **more: Any
    ) -> Finding:
        """Return a finding about one object."""
        shown, raw, exact = _object_key(key)
        return Finding(
            fingerprint=fingerprint(check.name, "objects", self.shown, exact),
            check=check.name,
            severity=check.severity,
            verdict=verdict,
            source="objects",
            target=self.shown,
            key=shown,
            key_raw=raw,
            count=count,
            message=message,
            **more,
        )

    def weigh(self, check: ObjectCheck, size: int | None) -> None:
        """Count the bytes that a finding is about."""
        self.weights[check.name] = self.weights.get(check.name, 0) + (size or 0)


def worst_verdict(judged: Sequence[Judged]) -> tuple[Verdict, str]:
    """Return the verdict on all of them, and why."""
    worst = min(judged, key=lambda one: _ORDER.index(one.verdict))
    return worst.verdict, worst.why


def _object_key(
    key: str,
) -> tuple[dict[str, KeyValue], dict[str, Base64] | None, Mapping[str, KeyValue | bytes | float]]:
    raw = key.encode("utf-8", "surrogateescape")
    if raw.decode("utf-8", "replace") == key:
        return {"object_key": key}, None, {"object_key": key}
    return {"object_key": raw.decode("utf-8", "replace")}, {"object_key": Base64.of(raw)}, {"object_key": raw}
