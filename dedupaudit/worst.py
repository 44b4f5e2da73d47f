"""Chooses which findings a report keeps when there are more than it may hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from dedupaudit.model import SEVERITIES, Finding, Verdict

_VERDICTS = ("confirmed", "unknown", "in_grace")


class _Kept(NamedTuple):
    """What findings of one check are ordered by, and how to write one: the same ones stay whoever found them first."""

    verdict: int
    surplus: int
    order: tuple[object, ...]
    number: int
    write: Callable[[], Finding]


class Worst:
    """Keeps the worst findings of each check, at most `limit` of all; memory grows with the limit alone."""

    def __init__(self, limit: int, checks: Sequence[str]) -> None:
        self._limit = limit
        self._order = {check: number for number, check in enumerate(checks)}
        self._kept: dict[str, list[_Kept]] = {}
        self._number = 0

    def add(
        self, check: str, verdict: Verdict, count: int, order: tuple[object, ...], write: Callable[[], Finding]
    ) -> None:
        """Take one finding into account; it is written only if it stays. Of equals the first in `order` goes first."""
        self._number += 1
        kept = self._kept.setdefault(check, [])
        kept.append(_Kept(_VERDICTS.index(verdict), -count, order, self._number, write))
        if len(kept) > 2 * self._limit + 100:
            self._prune(kept)

    def findings(self) -> tuple[Finding, ...]:
        """Return the kept findings, the most severe first.

        A check with a million findings does not push out one that has a single one: each gets an equal share, and
        what a check does not need goes to the others.
        """
        chosen: list[Finding] = []
        room = self._limit
        by_size = sorted(self._kept.values(), key=len)
        for number, kept in enumerate(by_size):
            self._prune(kept)
            share = kept[: room // (len(by_size) - number)]
            chosen += [one.write() for one in share]
            room -= len(share)
        # A stable sort: within a check the worst stay first.
        return tuple(sorted(chosen, key=lambda one: (SEVERITIES.index(one.severity), self._order[one.check])))

    def _prune(self, kept: list[_Kept]) -> None:
        kept.sort()
        del kept[self._limit :]
