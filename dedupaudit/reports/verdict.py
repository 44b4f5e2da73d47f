"""What a report comes to in one sentence, for every form that people read: found, clean, or not all of it looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from dedupaudit.model import Coverage, RepairProof, Report
from dedupaudit.reports.words import is_store, listed, plural

Word = Literal["INCOMPLETE", "FOUND", "clean", "nothing was checked", "proved", "BROKEN", "not proved"]


class Verdict(NamedTuple):
    """The word to be seen first, and the rest of the sentence; `loud` where somebody has to act."""

    word: Word
    rest: str
    loud: bool

    @property
    def sentence(self) -> str:
        """The whole of it."""
        return f"{self.word}: {self.rest}" if self.rest else self.word


def verdict(report: Report) -> Verdict:
    """Return what was found, and whether everything was looked at; of repairs alone, whether their figures agree."""
    if report.repairs and not report.coverage:
        return _proof(report.repairs)
    done = [row for row in report.coverage if row.status == "checked"]
    scope = f"{plural(len({row.check for row in done}), 'check')} on {_places(done)}"
    found = report.summary.findings
    severities = listed({str(name): number for name, number in report.summary.by_severity.items()})
    figure = f"{plural(found, 'finding')} ({severities})" if severities else plural(found, "finding")
    young = report.summary.by_verdict.get("in_grace", 0)
    grace = (f", {young:,} of them in grace" if young else "") + _news(report)
    if not report.complete:
        so_far = f"{figure}{grace} so far" if found else "nothing found in what was read"
        return Verdict("INCOMPLETE", f"{_lacking(report)}; {so_far} ({scope})", loud=True)
    if found:
        return Verdict("FOUND", f"{figure}{grace}; {scope}, complete", loud=found > young)
    if done:
        return Verdict("clean", f"{scope}, nothing found", loud=False)
    return Verdict("nothing was checked", "", loud=True)


def _proof(repairs: Sequence[RepairProof]) -> Verdict:
    broken = sum(one.holds is False for one in repairs)
    if broken:
        return Verdict("BROKEN", f"the figures of {plural(broken, 'run')} disagree; change nothing by hand", loud=True)
    if any(one.holds is None for one in repairs):
        return Verdict("not proved", "no figures say yet that nothing was lost", loud=True)
    return Verdict("proved", "each row that was deleted was journalled and put into quarantine", loud=False)


def _news(report: Report) -> str:
    """Return what is to be said of the baseline: `, 2 of them new` or `, none of them new`."""
    changes = report.summary.changes
    if changes is None or not report.summary.findings:
        return ""
    return f", {changes.new:,} of them new" if changes.new else ", none of them new"


def _places(done: list[Coverage]) -> str:
    """Return what was looked at: how many tables and stores, and the logs."""
    seen = {(row.source, row.target) for row in done}
    stores = sum(is_store(source, target) for source, target in seen)
    logs = sum(source == target == "logs" for source, target in seen)
    tables = len(seen) - stores - logs
    counted = [
        plural(tables, "table") if tables or not seen else "",
        plural(stores, "object store") if stores else "",
        "the logs" if logs else "",
    ]
    *most, last = [one for one in counted if one]
    return f"{', '.join(most)} and {last}" if most else last


def _lacking(report: Report) -> str:
    """Return what makes the run incomplete."""
    rows = [row for row in report.coverage if row.status in ("failed", "stopped")]
    sources = len({row.source for row in rows if row.target == "*"})
    failed = sum(row.status == "failed" for row in rows if row.target != "*")
    stopped = sum(row.status == "stopped" for row in rows if row.target != "*")
    unknown = report.summary.by_verdict.get("unknown", 0)
    facts = [
        f"{plural(sources, 'source')} could not be read" if sources else "",
        f"{plural(failed, 'check')} failed" if failed else "",
        f"{plural(stopped, 'check was', 'checks were')} stopped" if stopped else "",
        f"{plural(unknown, 'finding')} could not be confirmed" if unknown else "",
    ]
    return ", ".join(fact for fact in facts if fact) or "the run was interrupted"
