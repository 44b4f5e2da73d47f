"""Lines for a terminal: laid out by rich, without a trailing space, and with nothing in them that could not be seen.

Text of others enters through `value` or `prose` only; `_emit` makes sure of it once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from dedupaudit.display import escape, to_ascii, visible
from dedupaudit.reports import Style

WIDEST = 160  # a longer line is not read
NARROWEST = 50
WIDE = 110  # from here on there is room for more columns

SEVERITY_STYLES = {"high": "bold red", "medium": "yellow", "low": "cyan"}
HEADING = "bold"
QUIET = "dim"
GOOD = "green"
LOUD = "bold red"


class Page:
    """Gathers lines; `text` returns them all."""

    def __init__(self, style: Style) -> None:
        self.width = min(max(style.width, NARROWEST), WIDEST)
        self.wide = self.width >= WIDE
        self._unicode = style.unicode
        self._out = StringIO()
        # Not the stream itself: rich ends the process when its reader goes away.
        self._console = Console(
            file=self._out,
            width=self.width,
            force_terminal=style.color,
            color_system="standard" if style.color else None,
            no_color=not style.color,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            force_jupyter=False,
            _environ={},
        )
        self.dot, self.arrow, self.bar, self.more, self.advice = (
            (" · ", "→", "█", "…", "→") if style.unicode else (" - ", "->", "#", "...", "->")
        )

    def text(self) -> str:
        """Return everything that was said."""
        return self._out.getvalue()

    def value(self, value: object, limit: int = 80) -> str:
        """Return a foreign value as it may be shown."""
        return self._plain(visible(value, limit))

    def prose(self, text: str) -> str:
        """Return a sentence of a report as it may be shown; the values in it were cut when it was written."""
        return self._plain(visible(text.strip(), 600) if len(text) > 600 else escape(text.strip()))

    def _plain(self, text: str) -> str:
        return text if self._unicode else to_ascii(text)

    def blank(self) -> None:
        """Leave a line empty."""
        self._out.write("\n")

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """Say one line, `(text, style)` or plain text; what is too long goes on below, indented."""
        text = Text.assemble(*parts, overflow="fold")
        if indent:
            self.grid([("", text)], "ll", first_width=indent - 1, gap=1)
        else:
            self._emit(text)

    def labelled(self, label: tuple[str, str], *parts: str | tuple[str, str], indent: int) -> None:
        """Say one line with a label before it; the label takes at least `indent` columns."""
        body = Text.assemble(*parts, overflow="fold")
        width = max(indent - 1, len(label[0]))
        self.grid([(Text(*label), body)], "ll", first_width=width, gap=1)

    def grid(
        self,
        rows: Iterable[Sequence[str | Text | RenderableType]],
        columns: str,
        first_width: int | None = None,
        gap: int = 2,
        indent: int = 0,
    ) -> None:
        """Set rows in columns, `l` or `r` for each: figures stand right and never wrap, text folds."""
        table = Table.grid(padding=(0, gap, 0, 0), pad_edge=False)
        if indent:
            table.add_column(width=max(indent - gap, 0))
        for number, side in enumerate(columns):
            figures = side == "r"
            table.add_column(
                justify="right" if figures else "left",
                width=first_width if number == 0 else None,
                no_wrap=figures,
                overflow="ellipsis" if figures else "fold",
            )
        for row in rows:
            table.add_row(*([""] if indent else []), *row)
        self._emit(table)

    def fits(self, rows: Iterable[Sequence[Text]], gap: int = 2) -> bool:
        """Say whether the rows stand side by side without folding."""
        widths = [
            max(Measurement.get(self._console, self._console.options, cell).maximum for cell in column)
            for column in zip(*rows, strict=True)
        ]
        return sum(widths) + gap * (len(widths) - 1) <= self.width

    def _emit(self, renderable: RenderableType) -> None:
        for line in self._console.render_lines(renderable, pad=False):
            segments = [Segment(self._seen(part.text), part.style) for part in line if not part.control]
            while segments and not segments[-1].text.rstrip(" "):
                segments.pop()
            if segments:
                segments[-1] = Segment(segments[-1].text.rstrip(" "), segments[-1].style)
            self._console.print(Segments([*segments, Segment.line()]), end="", crop=False, soft_wrap=True)

    def _seen(self, text: str) -> str:
        return self._plain(text if text.isprintable() else escape(text))
