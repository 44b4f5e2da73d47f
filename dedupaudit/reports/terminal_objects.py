"""The terminal's object stores: what was held against each other, what is missing or left over, and what that costs."""

from __future__ import annotations

from rich.text import Text

from dedupaudit.model import ObjectRequests, ObjectsSummary, Report
from dedupaudit.reports.page import HEADING, LOUD, QUIET, Page
from dedupaudit.reports.words import NOT_COUNTED, count, listed, size

# Each check's count, whether it means lost or wrong data, and the bytes that go with it, with what they are.
_CHECKS = (
    ("missing_object", True, "missing_bytes", " lost, as far as the rows say"),
    ("orphan_object", False, "orphan_bytes", ""),
    ("size_mismatch", True, None, ""),
    ("etag_mismatch", True, None, ""),
    ("shared_object", False, None, ""),
    ("unexpected_object", False, None, ""),
    ("misplaced_object", False, None, ""),
    ("multipart_leftover", False, "multipart_bytes", ""),
)


def say_objects(page: Page, report: Report) -> None:
    """Say every store's totals: what is zero is left out, and what was not looked at is said."""
    for label, store in (report.summary.objects or {}).items():
        page.blank()
        page.line((page.value(label, 160), HEADING))
        total = NOT_COUNTED if store.bytes is None else size(store.bytes)
        page.grid([("rows", "objects", "bytes"), (count(store.rows), count(store.objects), total)], "rrr", indent=2)
        _say_counts(page, store)
        _say_requests(page, store.requests)


def _say_counts(page: Page, store: ObjectsSummary) -> None:
    rows, unseen = [], []
    for check, loud, weight, meaning in _CHECKS:
        found = getattr(store, check)
        if found is None:
            unseen.append(check)
        elif found:
            weighed = getattr(store, weight) if weight else 0
            cost = f"{size(weighed)}{meaning}" if weighed else NOT_COUNTED if weighed is None else ""
            rows.append((Text(check), Text(count(found), style=LOUD if loud else ""), Text(cost, style=QUIET)))
    if rows:
        page.grid(rows, "lrl", indent=2)
    if unseen:
        page.labelled((NOT_COUNTED, QUIET), (f"not looked at: {', '.join(unseen)}", QUIET), indent=2)


def _say_requests(page: Page, sent: ObjectRequests) -> None:
    kinds = {"LIST": sent.list, "HEAD": sent.head, "other": sent.other}
    if any(kinds.values()):
        page.line((f"requests: {listed(kinds)}", QUIET), indent=2)
