"""What `--mask` says in place of a text that may hold a value: sentences of a finding's counts and hidden key alone.

A text is kept only where all of it is known to be this tool's own words; whatever else stands there is dropped.
"""

from __future__ import annotations

import re
from base64 import b64decode

from dedupaudit.causes.explainer import SAID
from dedupaudit.checks import LOG_CHECKS
from dedupaudit.display import visible
from dedupaudit.model import Base64, Finding, KeyValue

NAMES_ONLY = frozenset(
    ("null_ids", "blank_ids", "missing_unique", "invalid_index", "redundant_index", "index_disagrees")
)
"""Checks that speak of tables, columns and indexes, and never of a value."""
OF_KEYS = frozenset(("duplicate_ids", "near_equal_ids"))
"""Checks that speak of keys, and of no other column's value."""
HIDDEN_REASON = "hidden by --mask, for it may hold a value; run without --mask to read it"

_SENTENCES = {
    "near_equal_ids": "{key} is one of {count:,} IDs that differ in blanks, letter case or Unicode form alone",
    "illegal_state": "{key} has a status that is not pending, uploading, completed or failed{rows}",
    "stuck_upload": "{key} has been pending or uploading for too long{rows}",
    "incomplete_row": "{key} is completed and names no object, or names one and is not completed{rows}",
    "missing_object": "{key} has no object{rows}",
    "size_mismatch": "{key} says another size than its object has{rows}",
    "etag_mismatch": "{key} says another content than its object has{rows}",
    "unexpected_object": "{key} is not completed, and its object is there{rows}",
    "misplaced_object": "{key} names another object than the template or its URL says{rows}",
    "orphan_object": "no row names {key}",
    "shared_object": "{key} is the object of {count:,} IDs",
    "multipart_leftover": "an upload was begun for {key} and not ended: {count:,} parts",
    # Those of the logs say an ID, a number and nothing else.
    **{check.name: check.message.replace("{id}", "{key}") for check in LOG_CHECKS},
}
_DOUBT = {"confirmed": "", "in_grace": "; it is young, and may still change", "unknown": "; this is not certain"}

_OFFSET = r", \+-?[\d.]+ s"
_OWN_ROW = re.compile(
    r"(?:row \d+ of \d+(?: was stored)?|its row was stored)"
    rf"(?:, the earliest|{_OFFSET})?(?: \(\d+ more not shown\))?"
)
_EVENTS = frozenset(SAID.values())
_SECONDS = re.compile(r"-?[\d.]+ s")
_OWN_OBJECT = frozenset(("is there", "is not there", "there is no such object: a 404"))
_LONGEST_OWN = 200


def text_of(value: str | int | Base64) -> str:
    """Return a value as the text that its hash is made of; bytes are `0x…`, as everywhere in this tool."""
    if not isinstance(value, Base64):
        return str(value)
    try:
        return "0x" + b64decode(value.base64, validate=True).hex()
    except ValueError:  # of a report that another hand wrote
        return value.base64


def shown_key(key: dict[str, KeyValue]) -> str:
    """Return a key for people: one part plainly, several in parentheses."""
    parts = [visible(None if value is None else text_of(value)) for value in key.values()]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


def is_told(check: str) -> bool:
    """Say whether this is a check that the sentences know; what another one advises cannot be vouched for."""
    return check == "duplicate_ids" or check in _SENTENCES


def message_of(finding: Finding, hidden: dict[str, KeyValue]) -> str:
    """Return the message, made of the hidden key, the count, the class and the names of columns alone."""
    key = shown_key(hidden)
    count = finding.count
    if finding.check == "duplicate_ids":
        differs = f", and differ in {', '.join(map(visible, finding.differs))}" if finding.differs else ""
        rows = f"; the rows are {finding.row_class}{differs}" if finding.row_class else ""
        return f"{key} is stored {count} times{rows}"
    sentence = _SENTENCES.get(finding.check, "{key}: {count:,} found")
    rows = f" ({count:,} rows of this ID)" if count > 1 else ""
    times = "once" if count == 1 else f"{count:,} times"
    return sentence.format(key=key, count=count, rows=rows, times=times) + _DOUBT[finding.verdict]


def row_text(text: str) -> str:
    """Return what is said of a row, if it says no more than which of how many it is."""
    return text if len(text) < _LONGEST_OWN and _OWN_ROW.fullmatch(text) else "a row"


def log_text(text: str) -> str:
    """Return what a log line tells, if that is the event and its time alone."""
    if text in _EVENTS:
        return text
    event, _, seconds = text.partition(", +")
    return text if event in _EVENTS and _SECONDS.fullmatch(seconds) else "a log line"


def log_event(text: str) -> tuple[str, str]:
    """Return the event that a moment's text begins with, and the device that follows in parentheses."""
    event, _, device = text.partition(" (")
    return (event, device.removesuffix(")")) if event in _EVENTS else ("a log line", "")


def object_text(text: str) -> str:
    """Return what is said of an object, if it says only whether it is there."""
    return text if text in _OWN_OBJECT else "an object"
