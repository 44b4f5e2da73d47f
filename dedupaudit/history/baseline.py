"""What `--baseline` names, as findings that are known: the history now, as one of its runs left it, or a file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from dedupaudit.display import visible
from dedupaudit.errors import Refused, UsageError
from dedupaudit.history.sightings import Known, key_text, packed
from dedupaudit.model import RUN_ID, Finding, Report
from dedupaudit.nearest import did_you_mean
from dedupaudit.reports.saved import load

LAST = "last"
MASKED = "masked:"
"""What a masked value begins with."""
_OPEN = """
    SELECT p.scope, e.fingerprint, p.source, p.target, p.chk, e.severity, e.key, e.opened_at
    FROM history.episodes e JOIN history.places p ON p.number = e.place
    WHERE e.opened_run <= :run AND (e.closed_run IS NULL OR e.closed_run > :run)
    ORDER BY e.fingerprint
"""


@dataclass(frozen=True)
class Baseline:
    """What a run is held against. `run` and `at` are None where it is no single run."""

    name: str
    run: str | None = None
    at: str | None = None
    is_file: bool = False
    scopes: frozenset[str] | None = None
    """Of the run in the history that it is; None for any other baseline."""
    databases: Mapping[str, str] = field(default_factory=dict)
    places: frozenset[tuple[str, str]] = frozenset()
    """Sources and targets that a file tells of."""
    is_masked: bool = False
    """Whether a file has values that are hidden."""


def is_file(asked: str) -> bool:
    """Say whether `--baseline` names a file, and no run."""
    return asked != LAST and not (re.fullmatch(RUN_ID, asked) and not Path(asked).exists())


def of_history(connection: sqlite3.Connection, asked: str) -> tuple[Baseline, Iterator[Known]]:
    """Return the baseline that the history has, which is attached, and its findings.

    Raises UsageError for a run that it does not have, Refused for one of which only the totals are known.
    """
    if asked == LAST:
        number = connection.execute("SELECT coalesce(max(number), 0) FROM history.runs").fetchone()[0]
        return Baseline("history"), _open(connection, number)
    number, run, at = run_named(connection, asked)
    uncounted = "SELECT 1 FROM history.counts WHERE run = ? AND found IS NULL"
    if connection.execute(uncounted, (number,)).fetchone():
        raise Refused(
            f"--baseline {run}: the history has only the totals of that run: it had more findings than its report",
            "name another run, or `last`; runs with --history FILE, --baseline or --notify keep all of them",
        )
    rows = connection.execute("SELECT scope FROM history.sources WHERE run = ?", (number,))
    return Baseline(run, run, at, scopes=frozenset(row[0] for row in rows)), _open(connection, number)


def run_named(connection: sqlite3.Connection, asked: str) -> tuple[int, str, str]:
    """Return a run's number, ID and end; raises UsageError for one that the history does not have."""
    newest = "SELECT number, id, finished_at FROM history.runs WHERE :asked IN (id, :last) ORDER BY number DESC"
    found: tuple[int, str, str] | None = connection.execute(newest, {"asked": asked, "last": LAST}).fetchone()
    if found is None:
        rows = connection.execute("SELECT id FROM history.runs ORDER BY number DESC LIMIT 1000")
        hint = did_you_mean(asked, [str(row[0]) for row in rows]) or "`dedupaudit history` lists the runs"
        raise UsageError(f"the history has no run {visible(asked)}", hint)
    return found


def _open(connection: sqlite3.Connection, number: int) -> Iterator[Known]:
    for row in connection.execute(_OPEN, {"run": number}):
        yield Known(*row)


def of_file(name: str) -> tuple[Baseline, Iterator[Known]]:
    """Return the baseline that a report or a findings file is, and its findings.

    Raises UsageError for a file that is damaged or neither, Refused for a report that is not whole.
    """
    try:
        text = Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a possible file name"
        raise UsageError(
            f"--baseline {visible(name)}: cannot be read: {reason}",
            "name a JSON report, a findings .jsonl, `last`, or a run of `dedupaudit history`",
        ) from None
    if name.lower().endswith(".jsonl"):
        findings = list(_lines(text, name))
        return _described(Baseline(name, is_file=True), findings), map(_known, findings)
    report = load(text, name)
    if report.truncated:
        raise Refused(
            f"--baseline {visible(name)}: the report has {len(report.findings):,} of {report.summary.findings:,} "
            "findings: it cannot say which others are new",
            "make it with --findings FILE.jsonl and name that file, or with a larger --max-findings",
        )
    run, places = report.run, frozenset((row.source, row.target) for row in report.coverage)
    baseline = Baseline(name, run.id, run.finished_at, is_file=True, databases=run.databases or {}, places=places)
    known = (_known(finding, report) for finding in report.findings if finding.verdict == "confirmed")
    return _described(baseline, report.findings), known


def _lines(text: bytes, name: str) -> Iterator[Finding]:
    for number, line in enumerate(text.split(b"\n"), start=1):
        if line.strip():
            try:
                finding = Finding.model_validate_json(line, strict=True)
            except ValidationError:
                raise UsageError(
                    f"--baseline {visible(name)}: line {number:,} is no finding",
                    "it may be cut short; such a file is made by --findings FILE.jsonl",
                ) from None
            if finding.verdict == "confirmed":
                yield finding


def _known(finding: Finding, report: Report | None = None) -> Known:
    since = finding.known_since or (report.run.finished_at if report else None)
    place = (finding.source, finding.target, finding.check)
    return Known("", packed(finding.fingerprint), *place, finding.severity, key_text(finding.key), since)


def _described(baseline: Baseline, findings: Iterable[Finding]) -> Baseline:
    """Return the baseline with what its findings say of it."""
    places = set(baseline.places)
    is_masked = False
    for finding in findings:
        places.add((finding.source, finding.target))
        is_masked = is_masked or _is_masked(finding)
    return replace(baseline, places=frozenset(places), is_masked=is_masked)


def _is_masked(finding: Finding) -> bool:
    return any(isinstance(value, str) and value.startswith(MASKED) for value in finding.key.values())


def refuse_stranger(baseline: Baseline, report: Report, scopes: Collection[str], *, masks: bool) -> None:
    """Raise Refused where nothing in the baseline can be compared with what was found here."""
    named = f"--baseline {visible(baseline.name)}"
    hint = "name a report or a run of this database; several databases have names of their own: --db NAME=URL"
    for source, identity in (report.run.databases or {}).items():
        if baseline.databases.get(source, identity) != identity:
            what = f"its {visible(source)} is not the one that was audited here"
            raise Refused(f"{named} is of another database: {what}", hint)
    places = {(row.source, row.target) for row in report.coverage if row.status == "checked"}
    if baseline.places and places and not baseline.places & places:
        raise Refused(f"{named} is of another database: it tells of nothing that was checked here", hint)
    if baseline.scopes is not None and not baseline.scopes & set(scopes):
        raise Refused(f"{named} is a run of another database", hint)
    if baseline.is_masked and not masks:
        raise Refused(
            f"{named} was made with --mask, and this run is not: nothing in the two can be compared",
            "give the same --mask and key, or a baseline without",
        )
