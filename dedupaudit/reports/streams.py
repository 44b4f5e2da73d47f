"""What the stream that a report is written to can take."""

from __future__ import annotations

import re
from typing import TextIO

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def is_utf8(out: TextIO) -> bool:
    """Say whether every character may be written as it is; a stream without an encoding keeps text as text."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"


def json_in_ascii(text: str) -> str:
    """Return JSON in ASCII: the same document."""
    return text if text.isascii() else _BEYOND_ASCII.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
