"""The checks of tables, of rows against objects, and of logs, in the order in which they run."""

from __future__ import annotations

from dedupaudit.checks import (
    blank_ids,
    duplicate_ids,
    etag_mismatch,
    illegal_state,
    incomplete_row,
    index_disagrees,
    invalid_index,
    misplaced_object,
    missing_object,
    missing_unique,
    multipart_leftover,
    near_equal_ids,
    null_ids,
    orphan_object,
    overlapping_send,
    redundant_index,
    repeated_receive,
    requeue,
    shared_object,
    size_mismatch,
    stuck_upload,
    unexpected_object,
)
from dedupaudit.checks.base import Check
from dedupaudit.checks.crossing import ObjectCheck
from dedupaudit.checks.log_check import LogCheck

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

OBJECT_CHECKS: tuple[ObjectCheck, ...] = (
    missing_object.CHECK,
    orphan_object.CHECK,
    size_mismatch.CHECK,
    etag_mismatch.CHECK,
    shared_object.CHECK,
    unexpected_object.CHECK,
    misplaced_object.CHECK,
    multipart_leftover.CHECK,
)

LOG_CHECKS: tuple[LogCheck, ...] = (requeue.CHECK, repeated_receive.CHECK, overlapping_send.CHECK)

CHECK_NAMES: tuple[str, ...] = (
    *(check.name for check in TABLE_CHECKS),
    *(check.name for check in OBJECT_CHECKS),
    *(check.name for check in LOG_CHECKS),
)
"""Every check there is, in the order in which findings of one severity are reported."""
