"""Rows against objects, both ways."""

from dedupaudit.crosscheck.run import crosscheck, crosscheck_into

__all__ = ["crosscheck", "crosscheck_into"]
