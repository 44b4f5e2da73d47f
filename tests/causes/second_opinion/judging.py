"""Runs an audit of a written world in process, and holds its causes against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dedupaudit.audit import audit
from dedupaudit.config.load import load_settings
from dedupaudit.interrupt import Interrupt
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest
from tests.causes.second_opinion.truth import Truth

_CHECKS = ("duplicate_ids", "missing_object")


class Verdict(NamedTuple):
    """What an audit said of one ID, beside what is true; None where it, or the world, has nothing there."""

    check: str
    table: str
    id: str
    truth: str | None
    given: str | None
    confidence: str
    why: str
    also: frozenset[str]

    @property
    def right(self) -> bool:
        """Whether the cause is one that was at work."""
        return self.given == self.truth or self.given in self.also

    @property
    def wrong(self) -> bool:
        """Whether a cause was given that is not the true one."""
        return self.given not in (None, "unexplained") and not self.right


@dataclass(frozen=True)
class Score:
    """All verdicts of one audit or several."""

    verdicts: Sequence[Verdict]

    @property
    def wrong(self) -> list[Verdict]:
        """The verdicts that name another mechanism than the true one."""
        return [verdict for verdict in self.verdicts if verdict.wrong]

    @property
    def precision(self) -> float:
        """Of the causes that were given, the share of right ones."""
        given = [verdict for verdict in self.verdicts if verdict.given not in (None, "unexplained")]
        return 1 - len(self.wrong) / len(given) if given else 1.0

    @property
    def recall(self) -> float:
        """Of the mechanisms that were at work, the share of those named."""
        true = [verdict for verdict in self.verdicts if verdict.truth not in (None, "unexplained")]
        return sum(verdict.right for verdict in true) / len(true) if true else 1.0


def judged(folder: Path, truth: Truth) -> list[Verdict]:
    """Audit what was written to a folder; every ID of the truth, and every finding, has a verdict."""
    settings = load_settings(folder / "dedupaudit.toml", cwd=folder, environ={})
    request = ScanRequest(command="audit", max_findings=10**6)
    report = audit(settings, request, interrupt=Interrupt(), progress=SILENT).report
    missed: dict[tuple[str, str, str], str] = {
        ("duplicate_ids", *key): label for key, label in truth.duplicates.items()
    }
    missed |= {("missing_object", *key): label for key, label in truth.missing.items()}
    verdicts: list[Verdict] = []
    for finding in report.findings:
        if finding.check not in _CHECKS:
            continue
        check, table, item = finding.check, finding.target, str(finding.key["id"])
        also = truth.also.get((table, item), frozenset()) if check == "duplicate_ids" else frozenset()
        label, cause = missed.pop((check, table, item), None), finding.cause
        given, confidence, why = (cause.name, cause.confidence, cause.why) if cause else (None, "none", "")
        verdicts.append(Verdict(check, table, item, label, given, confidence, why, also))
    return verdicts + [Verdict(*key, label, None, "none", "no finding", frozenset()) for key, label in missed.items()]
