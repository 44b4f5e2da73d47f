"""What each check looks for, and why it matters: for formats that explain a rule beside its results."""

from __future__ import annotations

from typing import NamedTuple

from dedupaudit.model import Severity


class Rule(NamedTuple):
    """One check in words: what it finds, what that does, and how bad it is."""

    severity: Severity
    finds: str
    matters: str


RULES: dict[str, Rule] = {
    "duplicate_ids": Rule(
        "high",
        "An ID that is stored more than once",
        "Reports count its rows too often. Keep one row, then add the unique constraint that keeps the next one out.",
    ),
    "null_ids": Rule(
        "medium",
        "Rows that have no ID: a part of their key is NULL",
        "A unique index lets any number of them in. Find the client that sends no ID, then make the column NOT NULL.",
    ),
    "blank_ids": Rule(
        "medium",
        "Rows whose ID is empty, or nothing but white space",
        "Different events share such an ID. Find the client that sends it.",
    ),
    "near_equal_ids": Rule(
        "low",
        "IDs that trimming, case folding or Unicode normalisation would join",
        "Another collation or a clean-up makes duplicates of them. Find the client that writes the odd form.",
    ),
    "missing_unique": Rule(
        "medium",
        "A table in which nothing keeps the ID unique",
        "The next retry becomes another row. Remove the duplicates, then add a unique constraint.",
    ),
    "invalid_index": Rule(
        "medium",
        "An index that a failed build left behind",
        "It may enforce nothing, or refuse writes, and is no proof that IDs are unique. Drop it or build it anew.",
    ),
    "redundant_index": Rule(
        "low",
        "A unique index that repeats the primary key",
        "It costs each insert and protects nothing more.",
    ),
    "index_disagrees": Rule(
        "high",
        "A valid unique index, and yet duplicates in the table",
        "The index is corrupt, and queries that use it are wrong. Build it anew after the duplicates are gone.",
    ),
    "illegal_state": Rule(
        "medium",
        "An upload whose status is none that exists",
        "Nobody will finish it. See what wrote the status.",
    ),
    "stuck_upload": Rule(
        "medium",
        "An upload that has been pending or uploading for too long",
        "Nobody will finish it. Put it back to pending, so that it is sent again.",
    ),
    "incomplete_row": Rule(
        "medium",
        "An upload whose status and object key disagree",
        "It is completed without an object, or has one and was never completed.",
    ),
    "missing_object": Rule(
        "high",
        "A completed row whose object is not there",
        "Whoever opens it gets an error. Look for a backup before the row is removed.",
    ),
    "orphan_object": Rule(
        "medium",
        "An object that no row names",
        "It is paid for, and nobody will ever open it.",
    ),
    "size_mismatch": Rule(
        "high",
        "An object that has another size than its row says",
        "It was cut short, or overwritten by another upload.",
    ),
    "etag_mismatch": Rule(
        "high",
        "An object whose content is another than its row says",
        "It was overwritten by another upload, or damaged.",
    ),
    "shared_object": Rule(
        "medium",
        "An object that rows of several IDs name",
        "What is done to it is done to all of them.",
    ),
    "unexpected_object": Rule(
        "low",
        "A row that is not completed, although its object is there",
        "The upload succeeded, and its answer was lost.",
    ),
    "misplaced_object": Rule(
        "medium",
        "A row whose object key or URL is not what it should be",
        "It leads to another object, or past the rules that are made for the right place.",
    ),
    "multipart_leftover": Rule(
        "low",
        "An upload in parts that was begun and never ended",
        "Its parts are paid for. A lifecycle rule of the bucket removes them.",
    ),
    "requeue": Rule(
        "low",
        "An ID that a client gave up on and put back into its queue",
        "Where the first attempt had arrived all the same, the second one stores it again.",
    ),
    "repeated_receive": Rule(
        "low",
        "An ID that reached the backend more than once",
        "It was sent again, and each time may have become a row.",
    ),
    "overlapping_send": Rule(
        "low",
        "An ID that a client sent again while its earlier upload still ran",
        "Both may have been stored: neither could see the other.",
    ),
}
