"""What the stream that a report is written to can take."""

from __future__ import annotations

from typing import TextIO


def is_utf8(out: TextIO) -> bool:
    """Say whether every character may be written as it is; a stream without an encoding keeps text as text."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"
