"""Wraps what is said to people: sentences, labelled facts and figures, in lines of a given width.

A command to be typed next is no prose: it stands on a line of its own, whole.
"""

from __future__ import annotations

import textwrap

_NARROWEST = 60
_FIGURE = 14
_LABEL = 8
TOGETHER = "\u00a0"
"""A space at which no line ends; `visible` lets none through."""


def prose(text: str, width: int, indent: int = 0) -> list[str]:
    """Wrap text; lines after the first are indented. A word that is longer than a line stays whole."""
    # A text that begins with spaces is indented itself; textwrap would keep them in the first line.
    lines = textwrap.wrap(
        text, max(width, _NARROWEST), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(TOGETHER, " ") for line in lines]


def labelled(label: str, text: str, width: int, label_width: int = _LABEL) -> list[str]:
    """Return a fact behind its label, two columns in; the labels of one block have one width."""
    return prose(f"  {label:<{label_width}}{text}", width, indent=2 + label_width)


def counted(number: int, text: str, width: int) -> list[str]:
    """Return a figure, set right, and what it counts."""
    return prose(f"{number:>{_FIGURE},}  {text}", width, indent=_FIGURE + 2)
