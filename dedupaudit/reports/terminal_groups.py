"""What the findings of each check come to, gathered in one pass: a report may hold more than memory has room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dedupaudit.model import Finding, Severity

WORST = 8
"""How many of the worst findings, and of the first messages, are kept."""

Place = tuple[str, str]


@dataclass
class Tally:
    """The findings of a check about one target."""

    classes: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By name and confidence."""


@dataclass
class Message:
    """Findings that say the same."""

    first: Finding
    findings: int = 0
    places: dict[Place, None] = field(default_factory=dict)


@dataclass
class Group:
    """The findings of one check."""

    first: Finding
    held: int = 0
    places: dict[Place, Tally] = field(default_factory=dict)
    advice: dict[str, set[str]] = field(default_factory=dict)
    """Suggestions, each with the classes that it is for."""
    _worst: list[Finding] = field(default_factory=list)
    _messages: dict[bool, dict[tuple[str, str], Message]] = field(default_factory=lambda: {True: {}, False: {}})

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it where it may be among those that are shown."""
        self.held += 1
        place = place_of(finding)
        tally = self.places.get(place)
        if tally is None:
            tally = self.places[place] = Tally()
        tally.verdicts[finding.verdict] += 1
        if finding.row_class:
            tally.classes[finding.row_class] += 1
        if finding.cause:
            tally.causes[finding.cause.name, finding.cause.confidence] += 1
        if finding.suggestion:
            self.advice.setdefault(finding.suggestion, set()).add(finding.row_class or "")
        self._keep(finding, place)

    def _keep(self, finding: Finding, place: Place) -> None:
        self._worst.append(finding)
        if len(self._worst) > 50 * WORST:
            self._worst = self.worst
        messages = self._messages[finding.news == "new"]
        same = finding.message, finding.verdict
        if same not in messages and len(messages) >= WORST:
            return
        said = messages.setdefault(same, Message(finding))
        said.findings += 1
        said.places.setdefault(place)

    @property
    def has_classes(self) -> bool:
        """Say whether the findings are about rows that were compared."""
        return any(tally.classes for tally in self.places.values())

    @property
    def worst(self) -> list[Finding]:
        """The findings with the most rows; what is new goes first, for it is what somebody was woken for."""
        return sorted(self._worst, key=lambda finding: (finding.news != "new", -finding.count))[:WORST]

    @property
    def messages(self) -> list[Message]:
        """The first messages, those of new findings before the others."""
        return [*self._messages[True].values(), *self._messages[False].values()]


def place_of(finding: Finding) -> Place:
    """Return the source and target of a finding."""
    return finding.source, finding.target


def grouped(findings: Iterable[Finding]) -> dict[tuple[Severity, str], Group]:
    """Return the findings by severity and check."""
    groups: dict[tuple[Severity, str], Group] = {}
    for finding in findings:
        group = groups.get((finding.severity, finding.check))
        if group is None:
            group = groups[finding.severity, finding.check] = Group(finding)
        group.add(finding)
    return groups
