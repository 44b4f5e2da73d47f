"""Charts as inline SVG by pygal; colours and letters are the page's, so that they follow light, dark and print.

Of what pygal draws only shapes and texts are kept: its own style, script, date and links stay out, and the same numbers
always give the same bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from dedupaudit.display import visible

WIDTH = 480
_BAR = 26  # the height of a lying bar with its room
_LABEL = 20  # letters of a label beside a bar; the table has all of it
_LARGEST = 1e15
_KEPT = {
    "svg": (),
    "g": ("class", "transform"),
    "rect": ("class", "x", "y", "width", "height"),
    "path": ("class", "d"),
    "circle": ("class", "cx", "cy", "r"),
    "text": ("class", "x", "y", "text-anchor", "transform"),
}
_TICKS = 6
_STEPS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 20, 30)),
    *(3_600 * hours for hours in (1, 2, 6, 12)),
    *(86_400 * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
_DROPPED = {"tooltip-overlay", "titles"}
_DECIMALS = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True)
class Chart:
    """A drawing and the same numbers as a table: one for the eye, one for everybody."""

    title: str
    note: str
    svg: Markup
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """The values of one colour, one for each label."""

    name: str
    values: Sequence[float]


def lying_bars(
    name: str, title: str, labels: Sequence[str], series: Sequence[Series], shown: Callable[[float], str]
) -> Markup:
    """Draw bars from left to right, one below the other, stacked where there are several series."""
    pygal = _pygal()
    kind = pygal.HorizontalStackedBar if len(series) > 1 else pygal.HorizontalBar
    height = _BAR * len(labels) + 50
    stacked = len(series) > 1
    # Beside the bar, with room for it at the right, or in the middle of its part.
    chart = kind(
        **_settings(height, shown) | {"margin_right": 12 if stacked else 64},
        print_values=True,
        print_values_position="center" if stacked else "top",
        show_x_labels=False,
    )
    # pygal begins at the bottom.
    chart.x_labels = [_short(label) for label in reversed(labels)]
    for one in series:
        chart.add(None, [_drawable(value) for value in reversed(one.values)])
    return _svg(chart, name, title, height)


def standing_bars(
    name: str, title: str, labels: Sequence[str], series: Sequence[Series], shown: Callable[[float], str]
) -> Markup:
    """Draw bars side by side, as of days; where there are many, some alone have a label."""
    pygal = _pygal()
    height = 240
    kind = pygal.StackedBar if len(series) > 1 else pygal.Bar
    few = len(labels) <= 8
    every = {} if few else {"x_labels_major_every": -(-len(labels) // 7), "show_minor_x_labels": False}
    where = "center" if len(series) > 1 else "top"
    chart = kind(**_settings(height, shown), print_values=few, print_values_position=where, **every)
    chart.x_labels = list(labels)
    most = max(sum(_drawable(one.values[at]) for one in series) for at in range(len(labels)))
    chart.range = (0, most)
    chart.y_labels = _counts(most)
    for one in series:
        chart.add(None, [_drawable(value) for value in one.values])
    return _svg(chart, name, title, height)


def lanes(name: str, title: str, points: dict[str, list[float]], shown: Callable[[float], str]) -> Markup:
    """Draw moments as dots on a lane for each kind; the way from left to right is the time in seconds."""
    pygal = _pygal()
    height = 40 * len(points) + 60
    settings = _settings(height, shown) | {"margin_right": 28, "value_formatter": str, "x_value_formatter": shown}
    chart = pygal.XY(**settings, stroke=False, dots_size=5)
    order = list(reversed(points))
    chart.y_labels = [{"value": number + 1, "label": kind} for number, kind in enumerate(order)]
    chart.range = (0.5, len(order) + 0.5)
    chart.x_labels = _ticks(max(seconds for some in points.values() for seconds in some))
    for kind, seconds in points.items():
        chart.add(None, [(_drawable(one), order.index(kind) + 1) for one in seconds])
    return _svg(chart, name, title, height)


def _pygal() -> Any:
    """Import the library late, and without its finder of map plugins: before Python 3.12 that one warns at imports."""
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal


def _settings(height: int, shown: Callable[[float], str]) -> dict[str, Any]:
    letters = _pygal().style.Style(label_font_size=13, major_label_font_size=13, value_font_size=13)
    return {
        "style": letters,
        "width": WIDTH,
        "height": height,
        "margin": 6,
        "spacing": 8,
        "js": [],
        "show_legend": False,
        "value_formatter": lambda value: shown(value) if value else "",
    }


def _counts(most: float) -> list[float]:
    """Return few and round whole numbers from zero on, the last not below the greatest value by much."""
    step = 1
    while step * _TICKS < most:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return [step * number for number in range(int(most // step) + 1)]


def _ticks(seconds: float) -> list[float]:
    """Return few and round times from zero on, as far as the time goes."""
    span = min(max(seconds, 0.001), _LARGEST)
    step = next((one for one in _STEPS if one * _TICKS >= span), span / _TICKS)
    return [step * number for number in range(int(span / step) + 1)]


def _short(label: str) -> str:
    seen = visible(label)
    return seen if len(seen) <= _LABEL else seen[: _LABEL - 1] + "…"


def _drawable(value: float) -> float:
    """Return a value that a scale can be made for: a saved report may hold anything."""
    return min(max(value, 0.0), _LARGEST) if isfinite(value) else 0.0


def _svg(chart: Any, name: str, title: str, height: int) -> Markup:
    drawn = ElementTree.Element(
        "svg",
        {
            "viewBox": f"0 0 {WIDTH} {height}",
            "role": "img",
            "aria-labelledby": name,
            "class": "chart",
            "focusable": "false",
        },
    )
    label = ElementTree.SubElement(drawn, "title", {"id": name})
    label.text = title
    for child in chart.render_tree():
        _copy(child, drawn)
    # ElementTree escapes every text and attribute in it.
    return Markup(ElementTree.tostring(drawn, encoding="unicode"))  # noqa: S704


def _copy(element: Any, into: ElementTree.Element) -> None:
    tag = str(element.tag).rpartition("}")[2]
    classes = set(str(element.get("class", "")).split())
    if tag not in _KEPT or classes & _DROPPED:
        return
    kept = {name: _DECIMALS.sub(_shorter, element.get(name)) for name in _KEPT[tag] if element.get(name)}
    made = ElementTree.SubElement(into, tag, kept)
    made.text = element.text
    for child in element:
        _copy(child, made)


def _shorter(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")
