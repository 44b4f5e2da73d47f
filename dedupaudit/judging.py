"""Which findings make a run fail: those that are new since the baseline, on tables that are over their thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from dedupaudit.checks import LOG_CHECKS, OBJECT_CHECKS, TABLE_CHECKS
from dedupaudit.config import Settings
from dedupaudit.config.values import Limit
from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.model import Finding, Report, Severity, TableSummary, Tolerance
from dedupaudit.nearest import did_you_mean

_COUNTED = {"duplicate_ids": "surplus_rows", "null_ids": "null_ids", "blank_ids": "blank_ids"}
"""Checks whose rows the summary of a table has."""


class Place(NamedTuple):
    """One check on one target."""

    source: str
    target: str
    check: str


@dataclass
class Tally:
    """Confirmed findings by place: how many, and how many of them are new."""

    confirmed: Counter[Place] = field(default_factory=Counter)
    new: Counter[Place] = field(default_factory=Counter)
    severities: dict[str, Severity] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Count a finding, if it is confirmed."""
        if finding.verdict != "confirmed":
            return
        place = Place(finding.source, finding.target, finding.check)
        self.confirmed[place] += 1
        self.new[place] += finding.news == "new"
        self.severities[finding.check] = finding.severity

    def failing(self, tolerances: tuple[Tolerance, ...], *, only_new: bool) -> Counter[Severity]:
        """Return by severity how many findings are neither known nor tolerated."""
        tolerated = {Place(one.source, one.target, one.check) for one in tolerances if not one.exceeded}
        found: Counter[Severity] = Counter()
        for place, number in (self.new if only_new else self.confirmed).items():
            if place not in tolerated:
                found[self.severities[place.check]] += number
        return found


def has_thresholds(settings: Settings) -> bool:
    """Say whether any threshold is configured. Raises UsageError for one of a check that does not exist there."""
    return any(list(_configured(settings)))


def tolerances(settings: Settings, report: Report, tally: Tally) -> tuple[Tolerance, ...]:
    """Return each configured threshold with what was found, for the places that were looked at."""
    looked = {Place(row.source, row.target, row.check): row.rows for row in report.coverage if row.status == "checked"}
    found = []
    for section, check, limit in _configured(settings):
        for place in sorted(looked.keys() | tally.confirmed.keys()):
            if place.check == check and section == _section(place):
                # Of a check that did not get to its end nobody knows how much there is.
                rows = _rows(report, place, tally) if place in looked else None
                found.append(
                    Tolerance(
                        source=place.source,
                        target=place.target,
                        check=check,
                        limit=limit.text,
                        rows=rows,
                        exceeded=_exceeds(rows, limit, _total(report, place, looked.get(place))),
                    )
                )
    return tuple(found)


def _exceeds(rows: int | None, limit: Limit, total: int | None) -> bool:
    """Say whether so many rows are over the limit; what cannot be compared is not tolerated."""
    if rows is None or limit.rows is not None:
        return rows is None or rows > (limit.rows or 0)
    if total is None:
        return rows > 0
    # Exactly: in binary 0.7 % of 1,000 rows is less than 7.
    return rows * 100 > Decimal(limit.text.removesuffix("%")) * total


def _configured(settings: Settings) -> Iterator[tuple[str, str, Limit]]:
    """Yield the section (a table's name, `objects`, `logs`), the check and the limit of each threshold."""
    of_objects = {check.name for check in OBJECT_CHECKS}
    of_tables = {check.name for check in TABLE_CHECKS} | of_objects
    for name, table in settings.tables.items():
        for check, limit in table.thresholds.items():
            _refuse_unknown(check, of_tables, settings.where("tables", name, "thresholds"))
            yield f"tables.{name}", check, limit
    for section, configured, known in (
        ("objects", settings.objects, of_objects),
        ("logs", settings.logs, {check.name for check in LOG_CHECKS}),
    ):
        for check, limit in (configured.thresholds if configured else {}).items():
            _refuse_unknown(check, known, settings.where(section, "thresholds"))
            if section == "logs" and limit.share is not None:
                # Of lines it would be no share that anybody means.
                raise UsageError(
                    f"{settings.where(section, 'thresholds', check)}: {limit.text} of what? Logs have no rows",
                    f"give a number of IDs: {check} = 10",
                )
            yield section, check, limit


def _refuse_unknown(check: str, known: set[str], where: str) -> None:
    if check not in known:
        hint = did_you_mean(check, sorted(known)) or f"the checks are {', '.join(sorted(known))}"
        raise UsageError(f"{where}: there is no check {visible(check)} here", hint)


def _section(place: Place) -> str:
    """Return which part of the configuration has the thresholds of a place."""
    return place.source if place.source in ("objects", "logs") else f"tables.{place.target}"


def _rows(report: Report, place: Place, tally: Tally) -> int | None:
    """Return how many rows a check's findings are about."""
    table = report.summary.tables.get(f"{place.source}.{place.target}", TableSummary())
    counted = _COUNTED.get(place.check)
    return getattr(table, counted) if counted else tally.confirmed[place]


def _total(report: Report, place: Place, looked_at: int | None) -> int | None:
    """Return how many rows (objects, for the store's) there are in all; a crosscheck alone counts those it read."""
    table = report.summary.tables.get(f"{place.source}.{place.target}", TableSummary())
    return looked_at if table.rows is None else table.rows
