"""Where the tool keeps what outlives a run: the history and the locks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the user's folder for it, which may not exist yet; None where nobody knows the user's home."""
    state = environ.get("XDG_STATE_HOME", "")
    # By the XDG base directory specification a relative path is to be ignored.
    folder = Path(state) if os.path.isabs(state) else Path(os.path.expanduser("~/.local/state"))
    return folder / "dedupaudit" if folder.is_absolute() else None
