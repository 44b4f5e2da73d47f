"""The HTML page's timelines: what rows, log lines and objects say of the worst IDs, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from dedupaudit.model import Explanation, Finding
from dedupaudit.reports.html_charts import lanes
from dedupaudit.reports.html_findings import FindingRow, Gathered
from dedupaudit.reports.words import length, parsed

_STORIES = 5
_MOMENTS = 40
_LANES = {"log": "log", "row": "rows", "object": "object", "index": "index"}


@dataclass(frozen=True)
class StoryMoment:
    """One fact of an ID's story; `after` is the time since the first one."""

    at: str | None
    after: str
    kind: str
    where: str
    text: str


@dataclass(frozen=True)
class Story:
    """One ID's story: a drawing where two moments or more have a time, and the moments in their order."""

    id: str
    says: str
    anchor: str
    svg: Markup | None
    moments: tuple[StoryMoment, ...]
    left_out: int


@dataclass(frozen=True)
class _Fact:
    at: datetime | None
    told: str | None
    kind: str
    where: str
    text: str


def stories(gathered: Gathered) -> list[Story]:
    """Return the stories of the worst IDs, new ones first; facts of all findings of an ID are joined."""
    by_id: dict[str, list[FindingRow]] = {}
    for row in gathered.rows:
        if len(row.finding.key) == 1:
            by_id.setdefault(row.id, []).append(row)
    candidates = [(some, _facts(one.finding for one in some)) for some in by_id.values()]
    told = [(some, facts) for some, facts in candidates if len({fact.at for fact in facts if fact.at}) > 1]
    told.sort(key=lambda one: not any(row.finding.news == "new" for row in one[0]))
    return [
        _story(f"story-{number}", some[0].id, some[0].finding.message, some[0].anchor, facts)
        for number, (some, facts) in enumerate(told[:_STORIES])
    ]


def story_of(told: Explanation) -> Story:
    """Return the story that `explain` was asked for."""
    facts = [_Fact(parsed(one.at), one.at, one.kind, one.where, f"{one.source}: {one.text}") for one in told.timeline]
    return _story("story", told.id, told.verdict, "", facts)


def _facts(findings: Iterable[Finding]) -> list[_Fact]:
    """Return the facts of findings, each once, in the order of their times; what has none comes last."""
    every = [one for finding in findings for one in finding.evidence]
    facts = dict.fromkeys(_Fact(parsed(one.at), one.at, one.kind, one.where, one.text) for one in every)
    dated = sorted((fact for fact in facts if fact.at), key=lambda fact: fact.at.timestamp() if fact.at else 0.0)
    return [*dated, *(fact for fact in facts if not fact.at)]


def _story(name: str, id_: str, says: str, anchor: str, facts: Sequence[_Fact]) -> Story:
    shown = facts[:_MOMENTS]
    times = [fact.at for fact in shown if fact.at]
    start = min(times) if times else None
    points: dict[str, list[float]] = {}
    for fact in sorted(shown, key=lambda one: list(_LANES).index(one.kind)):
        if fact.at and start:
            points.setdefault(_LANES[fact.kind], []).append((fact.at - start).total_seconds())
    title = f"Timeline of {id_}: {', '.join(f'{len(some)} on the lane {lane}' for lane, some in points.items())}"
    return Story(
        id=id_,
        says=says,
        anchor=anchor,
        svg=lanes(name, title, points, lambda value: length(value) or "0 s") if len(set(times)) > 1 else None,
        moments=tuple(
            StoryMoment(fact.told, _after(fact.at, start), _LANES[fact.kind], fact.where, fact.text) for fact in shown
        ),
        left_out=len(facts) - len(shown),
    )


def _after(at: datetime | None, start: datetime | None) -> str:
    if at is None or start is None:
        return ""
    seconds = (at - start).total_seconds()
    return f"+{seconds:,.3f} s" if 0 < seconds < 600 else f"+{length(seconds)}" if seconds else "0"
