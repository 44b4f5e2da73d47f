"""What a check is: it looks at one table and answers with findings, or says why it did not look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from dedupaudit.checks.tally import Tally
from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.model import Base64, Evidence, Finding, KeyValue, Severity, Strategy, Verdict, fingerprint
from dedupaudit.sources.tables.catalog import Index
from dedupaudit.sources.tables.protocol import Key, Survey, TableSource, Undecodable, Value
from dedupaudit.sources.tables.table import Table
from dedupaudit.times import iso_or_none

if TYPE_CHECKING:
    from dedupaudit.causes.explainer import Explainer

_Any = TypeVar("_Any")

EVIDENCE_LIMIT = 10
"""Rows shown as evidence of one finding; the rest is counted."""


@dataclass(frozen=True)
class Skip:
    """A check that does not apply, or was not asked for, and why."""

    reason: str


class Sighting(NamedTuple):
    """A finding of some rows that is written out only if somebody will read it; `order` breaks ties.

    Writing costs ten times what counting does, and of a million duplicates a report shows a thousand.
    """

    rows: int
    order: tuple[object, ...]
    write: Callable[[], Finding]
    verdict: Verdict = "confirmed"


@dataclass(frozen=True)
class Look:
    """A check that looks: how, why so, and its findings, found as they are read."""

    findings: Iterable[Finding | Sighting]
    strategy: Strategy
    why: str | None = None


@dataclass(frozen=True)
class Check:
    """One check. `suspects` names the condition under `sql/scan/<dialect>/suspects/` that the survey counts for it."""

    name: str
    severity: Severity
    look: Callable[[TableScan], Look | Skip]
    suspects: bool = False
    applies: Callable[[TableScan], Skip | None] = lambda _scan: None


class NamedCheck(Protocol):
    """What a finding takes from its check."""

    @property
    def name(self) -> str:
        """Return the name that reports use."""

    @property
    def severity(self) -> Severity:
        """Return how bad its findings are."""


@dataclass
class TableScan:
    """One table while it is scanned: the source, the questions asked, and the totals that the checks fill in."""

    source: TableSource
    table: Table
    wanted: tuple[str, ...]
    now: int
    stuck_after: float
    tally: Tally = field(default_factory=Tally)
    explainer: Explainer | None = None
    """What knows the logs; None where none were read."""
    _survey: Survey | SourceError | None = None
    _place: tuple[str, str] = field(init=False, default=("", ""))

    def __post_init__(self) -> None:
        """Learn now what rows are found by: a finding may be written when its source is closed."""
        label = visible(self.table.label)
        locator = self.source.locator(self.table)
        by = "pk" if self.table.catalog.primary_key else "ctid" if "ctid" in locator else "rowid"
        self._place = (label, by if locator else "")

    @property
    def distrust_indexes(self) -> bool:
        """Whether no index may be believed, nor read."""
        return self.table.distrust_indexes

    def wanting(self, checks: Iterable[Check]) -> TableScan:
        """Return the same with the conditions that the survey must count for these checks."""
        return replace(self, wanted=tuple(check.name for check in checks if check.suspects and not check.applies(self)))

    def survey(self, kinds: Sequence[Value] = ()) -> Survey:
        """Return the rows and the suspects of all wanted checks, counted in one pass when the first of them asks.

        `kinds` are counted only in that pass: who needs them asks first. A pass that failed, after an hour perhaps, is
        not tried again by the next check: it raises the same SourceError.
        """
        if self._survey is None:
            self._survey = self._counted(kinds)
        if isinstance(self._survey, SourceError):
            raise self._survey
        return self._survey

    def survey_soon(self) -> None:
        """Let the source begin the survey while it looks for duplicates."""
        if self._survey is None:
            self.source.survey_soon(self.table, self._suspects)

    @property
    def _suspects(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("null_ids", *self.wanted)))

    def _counted(self, kinds: Sequence[Value]) -> Survey | SourceError:
        try:
            survey = self.source.survey(self.table, self._suspects, kinds)
        except SourceError as error:
            return error
        self.tally.rows = survey.rows
        self.tally.null_ids = survey.suspects["null_ids"]
        return survey

    def count_suspects(self, check: str) -> int:
        """Return how many rows a check's condition holds for."""
        return self.survey().suspects[check]

    def finding(
        self,
        check: NamedCheck,
        key: Mapping[str, KeyValue | bytes | Undecodable | float],
        *,
        count: int,
        message: str,
        suggestion: str = "",
        evidence: Iterable[Evidence] = (),
        verdict: Verdict = "confirmed",
        **more: object,
    ) -> Finding:
        """Return a finding of one check on this table, with its fingerprint."""
        shown, raw, exact = _readable_key(key)
        return Finding(
            fingerprint=fingerprint(check.name, self.table.source, self.table.name, exact),
            check=check.name,
            severity=check.severity,
            verdict=verdict,
            source=self.table.source,
            target=self.table.name,
            key=shown,
            key_raw=raw,
            count=count,
            message=message,
            suggestion=suggestion,
            evidence=tuple(evidence),
            **more,
        )

    def key_of(self, key: Key) -> dict[str, Value]:
        """Return a key under its real column names."""
        return dict(zip(self.table.key_names, key, strict=True))

    def where(self, locator: Key) -> str:
        """Return where a row is: `db.activities pk=7`; a table without a primary key has rowids, a view nothing."""
        label, word = self._place
        return f"{label} {word}={show_key(locator)}" if word else label

    def row(self, locator: Key, at: int | None, text: str) -> Evidence:
        """Return one row as evidence."""
        return Evidence(kind="row", at=iso_or_none(at), where=self.where(locator), text=text)

    def index(self, index: Index, text: str) -> Evidence:
        """Return one index of the table as evidence."""
        return Evidence(kind="index", where=f"{visible(self.table.label)} {visible(index.name)}", text=text)


def without_indexes(scan: TableScan) -> Skip | None:
    """Say that a view, or whatever else is no table, has no indexes to check."""
    catalog = scan.table.catalog
    return None if catalog.kind == "table" or catalog.indexes else Skip(f"a {catalog.kind} has no indexes")


def show_key(key: Key) -> str:
    """Return a key for people: one part plainly, several in parentheses."""
    parts = [visible(part.raw if isinstance(part, Undecodable) else _plain(part)) for part in key]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def _readable_key(
    key: Mapping[str, KeyValue | bytes | Undecodable | float],
) -> tuple[dict[str, KeyValue], dict[str, Base64] | None, dict[str, KeyValue | bytes | float]]:
    """Return the key as JSON has it, the bytes of what did not decode, and what the fingerprint is made of."""
    shown: dict[str, KeyValue] = {}
    raw: dict[str, Base64] = {}
    exact: dict[str, KeyValue | bytes | float] = {}
    for name, value in key.items():
        if isinstance(value, Undecodable):
            shown[name] = value.raw.decode("utf-8", "replace")
            raw[name] = Base64.of(value.raw)
            exact[name] = value.raw
        elif isinstance(value, bytes):
            shown[name] = exact[name] = Base64.of(value)
        elif isinstance(value, float) and not _is_integer(value):
            shown[name] = repr(value)
            # A number still: the text that looks like it is another key.
            exact[name] = value
        else:
            shown[name] = exact[name] = int(value) if isinstance(value, float) else value
    return shown, raw or None, exact


def _plain(value: _Any) -> _Any | int:
    """Return a whole number as an integer: 1 and 1.0, 0 and -0.0 are one key, whichever of its rows is read first."""
    return int(value) if isinstance(value, float) and _is_integer(value) else value


def _is_integer(value: float) -> bool:
    # Beyond 64 bits no database has an integer that could be the same key.
    return value.is_integer() and abs(value) < 2**63
