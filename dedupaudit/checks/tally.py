"""The totals of one table while they are counted; what no check looked at stays None."""

from __future__ import annotations

from dataclasses import dataclass

from dedupaudit.model import DaySurplus, GroupInflation, TableSummary


@dataclass
class Tally:
    """Filled by the checks, one field by the check that knows it."""

    rows: int | None = None
    null_ids: int | None = None
    blank_ids: int | None = None
    duplicate_ids: int | None = None
    duplicate_rows: int | None = None
    by_group: tuple[GroupInflation, ...] | None = None
    by_day: tuple[DaySurplus, ...] | None = None

    def summary(self) -> TableSummary:
        """Return the report's totals, with what follows from others worked out."""
        surplus = distinct = None
        if self.duplicate_ids is not None and self.duplicate_rows is not None:
            surplus = self.duplicate_rows - self.duplicate_ids
        if self.rows is not None and self.null_ids is not None and surplus is not None:
            distinct = self.rows - self.null_ids - surplus
        inflation = None
        if surplus == 0:
            inflation = 0.0
        elif surplus and distinct:
            inflation = surplus / distinct
        return TableSummary(
            rows=self.rows,
            distinct_ids=distinct,
            duplicate_ids=self.duplicate_ids,
            duplicate_rows=self.duplicate_rows,
            surplus_rows=surplus,
            inflation=inflation,
            null_ids=self.null_ids,
            blank_ids=self.blank_ids,
            by_group=self.by_group,
            by_day=self.by_day,
        )
