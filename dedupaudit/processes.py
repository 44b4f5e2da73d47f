"""Which process of this host it was: a later one may have its number."""

from __future__ import annotations

import os
from pathlib import Path


def begun(process: int) -> str:
    """Return when a process of this host began, to tell it from a later one of its number; nothing where it is gone."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        # A zombie works no more: it is only that its parent has not asked for it yet.
        return told[19] if told[0] != "Z" else ""
    except OSError:
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "?"
    return "?"
