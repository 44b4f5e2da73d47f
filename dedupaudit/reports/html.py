"""`-f html`: one page that needs no network and no script: the worst findings, charts, and what nobody looked at.

The templates, the style and the script are in web/. Every value that a template prints goes through `_seen`.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, TextIO

from markupsafe import Markup

from dedupaudit.display import escape, visible
from dedupaudit.model import Report
from dedupaudit.reports import Style
from dedupaudit.reports.html_figures import figures
from dedupaudit.reports.html_findings import gather, id_text
from dedupaudit.reports.html_overview import missed, ran, tiles, told, tone
from dedupaudit.reports.html_stories import stories, story_of
from dedupaudit.reports.verdict import verdict
from dedupaudit.reports.words import NOT_COUNTED, count, length, listed, parsed, percent, place, plural, size

if TYPE_CHECKING:
    from jinja2 import Environment

_LONGEST_SENTENCE = 600


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the page; where the stream takes ASCII alone, other characters are written as HTML's references."""
    gathered = gather(report)
    told_verdict = verdict(report)
    css, script = _part("style.css"), _part("page.js")
    story = report.explanation
    page = _environment().get_template("page.html")
    for piece in page.generate(
        report=report,
        summary=report.summary,
        verdict=told_verdict,
        tone=tone(report, told_verdict),
        tiles=tiles(report),
        told=told(report, gathered),
        gathered=gathered,
        rows=gathered.rows,
        figures=() if story else figures(report, gathered),
        story=story and story_of(story),
        stories=() if story else stories(gathered),
        missed=missed(report),
        ran=ran(report),
        css=css,
        script=script,
        css_hash=_hash(css),
        script_hash=_hash(script),
    ):
        out.write(piece if style.unicode else piece.encode("ascii", "xmlcharrefreplace").decode("ascii"))


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("dedupaudit.reports", "web"),
        autoescape=True,
        finalize=_seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        value=visible,
        prose=_prose,
        count=count,
        percent=percent,
        size=_size,
        lasting=length,
        moment=_moment,
        instant=_instant,
        listed=listed,
        id_text=id_text,
    )
    made.globals.update(place=place, plural=plural)
    return made


def _seen(value: object) -> object:
    """Return what a template prints with nothing invisible in it; jinja2 then escapes it for HTML."""
    if value is None:
        return NOT_COUNTED
    return value if isinstance(value, Markup) else escape(str(value))


def _prose(text: str) -> str:
    text = text.strip()
    return visible(text, _LONGEST_SENTENCE) if len(text) > _LONGEST_SENTENCE else escape(text)


def _size(number: int | None) -> str:
    return NOT_COUNTED if number is None else size(number)


def _moment(text: str | None) -> str:
    """Return a report's time to the second, in UTC; what is no time is shown as it is."""
    found = parsed(text)
    return f"{found:%Y-%m-%d %H:%M:%S}" if found else visible(text, 40) if text else ""


def _instant(text: str | None) -> str:
    """Return a report's time to the millisecond."""
    found = parsed(text)
    return f"{found:%Y-%m-%d %H:%M:%S}.{found.microsecond // 1000:03d}" if found else _moment(text) or "no time"


def _part(name: str) -> Markup:
    """Return the page's own style or script: the one text that is not escaped, and comes from no report."""
    return Markup((files("dedupaudit.reports") / "web" / name).read_text(encoding="ascii"))  # noqa: S704


def _hash(text: str) -> str:
    """Return what the page's Content-Security-Policy lets through: this very text and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
