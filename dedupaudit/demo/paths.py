"""How the demo names a path in a message: whole, since a path that is cut cannot be looked up."""

from __future__ import annotations

import os

from dedupaudit.display import visible

_WHOLE = 5_000  # more than the longest path that Linux takes


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as one line in which everything can be seen."""
    return visible(os.fspath(path), limit=_WHOLE)
