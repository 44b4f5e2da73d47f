"""The forms that a report can be read in. A next one is one file with `render` and one line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from dedupaudit.model import Report


@dataclass(frozen=True)
class Style:
    """What the stream can take: its width in columns, and whether colour and characters beyond ASCII reach a reader."""

    width: int = 80
    color: bool = False
    unicode: bool = True


Render = Callable[["Report", TextIO, Style], None]


@dataclass(frozen=True)
class _Late:
    """A format whose module is imported when it is used: rich costs 60 ms that JSON does not need."""

    module: str

    def __call__(self, report: Report, out: TextIO, style: Style) -> None:
        import_module(self.module).render(report, out, style)


FORMATS: dict[str, Render] = {
    "terminal": _Late("dedupaudit.reports.terminal"),
    "json": _Late("dedupaudit.reports.json"),
    "jsonl": _Late("dedupaudit.reports.jsonl"),
    "csv": _Late("dedupaudit.reports.csv"),
    "html": _Late("dedupaudit.reports.html"),
    "markdown": _Late("dedupaudit.reports.markdown"),
    "junit": _Late("dedupaudit.reports.junit"),
    "sarif": _Late("dedupaudit.reports.sarif"),
    "prometheus": _Late("dedupaudit.reports.prometheus"),
}
