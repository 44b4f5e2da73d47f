"""The checks of a table, in the order in which they run and are reported. A next one is one line."""

from __future__ import annotations

from dedupaudit.checks import (
    blank_ids,
    duplicate_ids,
    illegal_state,
    incomplete_row,
    index_disagrees,
    invalid_index,
    missing_unique,
    near_equal_ids,
    null_ids,
    redundant_index,
    stuck_upload,
)
from dedupaudit.checks.base import Check

TABLE_CHECKS: tuple[Check, ...] = (
    duplicate_ids.CHECK,
    null_ids.CHECK,
    blank_ids.CHECK,
    near_equal_ids.CHECK,
    missing_unique.CHECK,
    invalid_index.CHECK,
    redundant_index.CHECK,
    index_disagrees.CHECK,
    illegal_state.CHECK,
    stuck_upload.CHECK,
    incomplete_row.CHECK,
)

CHECK_NAMES: tuple[str, ...] = tuple(check.name for check in TABLE_CHECKS)
"""Every check there is, in the order in which findings of one severity are reported."""
