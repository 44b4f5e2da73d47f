"""Audits a played incident, and holds every cause against the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dedupaudit.audit import audit
from dedupaudit.config.load import load_settings
from dedupaudit.interrupt import Interrupt
from dedupaudit.model import Cause, Finding
from dedupaudit.progress import SILENT
from dedupaudit.scan import ScanRequest
from tests.causes.simulated.state import Mechanism, Played
from tests.causes.simulated.truth import duplicate_labels, missing_labels
from tests.causes.simulated.writing import EVERYTHING, Kept, write_world


@dataclass(frozen=True)
class Verdict:
    """What was said of one ID in the world of a seed, and what is true: its mechanism, and all that were at work."""

    seed: int
    check: str
    id: str
    truth: Mechanism
    at_work: frozenset[Mechanism]
    name: str
    confidence: str
    why: str

    @property
    def right(self) -> bool:
        """Whether the cause is one that was at work."""
        return self.name in self.at_work


@dataclass
class Score:
    """All verdicts on some worlds. Mutable: worlds are added."""

    verdicts: list[Verdict] = field(default_factory=list)

    def wrong(self, confidence: str | None = None) -> list[Verdict]:
        """Return the verdicts that name a cause that was not at work."""
        return [one for one in self._named() if not one.right and confidence in (None, one.confidence)]

    @property
    def precision(self) -> float:
        """Of the causes that were named, the share of the right ones."""
        return 1 - len(self.wrong()) / len(self._named())

    @property
    def recall(self) -> float:
        """Of the mechanisms that are known, the share of those that were named."""
        explicable = [one for one in self.verdicts if one.truth != "unexplained"]
        return sum(one.right and one.name != "unexplained" for one in explicable) / len(explicable)

    def of(self, mechanism: str) -> list[Verdict]:
        """Return the verdicts on what this mechanism did."""
        return [one for one in self.verdicts if one.truth == mechanism]

    def _named(self) -> list[Verdict]:
        return [one for one in self.verdicts if one.name != "unexplained"]


def judged(played: Played, folder: Path, kept: Kept = EVERYTHING) -> Score:
    """Write a world, audit it, and return what the audit says of each duplicate and each missing object."""
    config = write_world(played, folder, kept)
    found: dict[tuple[str, str], Cause | None] = {}

    def note(finding: Finding) -> None:
        if finding.check in ("duplicate_ids", "missing_object"):
            found[finding.check, str(finding.key["id"])] = finding.cause

    settings = load_settings(config, cwd=folder, environ={})
    request = ScanRequest(command="audit", max_findings=1)
    audit(settings, request, interrupt=Interrupt(), progress=SILENT, sink=note)
    duplicates, missing = duplicate_labels(played), missing_labels(played)
    expected = {("duplicate_ids", item): (label.mechanism, label.at_work) for item, label in duplicates.items()}
    expected |= {("missing_object", item): (mechanism, frozenset({mechanism})) for item, mechanism in missing.items()}
    assert set(found) == set(expected)
    verdicts = []
    for (check, item), (truth, at_work) in expected.items():
        cause = found[check, item] or Cause(name="unexplained", confidence="none", why="")
        verdicts.append(Verdict(played.seed, check, item, truth, at_work, cause.name, cause.confidence, cause.why))
    return Score(verdicts)
