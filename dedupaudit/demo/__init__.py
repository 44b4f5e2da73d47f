"""The incident in miniature, on SQLite and a local folder: built, with its truth, and held against a report."""

from __future__ import annotations

from dedupaudit.demo.build import build
from dedupaudit.demo.compare import disagreements
from dedupaudit.demo.truth import Truth, load_truth

__all__ = ["Truth", "build", "disagreements", "load_truth"]
