"""Hostile reports through every format: a strict parser reads each, and nothing foreign in it is obeyed."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET  # noqa: S405 (what a parser of HTML built)
from collections.abc import Callable, Iterator
from functools import cache

import html5lib
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token
from prometheus_client.parser import text_string_to_metric_families

from dedupaudit.display import visible
from dedupaudit.model import Report
from dedupaudit.reports import FORMATS, Style
from dedupaudit.reports.saved import load
from tests.cli.reading import strict_json
from tests.reports import hostile, parsing, samples
from tests.reports.golden import golden_report

HTML_NAMES = re.compile(r"\{http://www\.w3\.org/(?:1999/xhtml|2000/svg)\}([a-zA-Z]+[1-6]?)")
LEADING = {"href", "src", "action", "srcset", "data", "formaction"}
ACTIVE = {
    "script",
    "style",
    "meta",
    "iframe",
    "object",
    "embed",
    "base",
    "form",
    "link",
    "img",
    "image",
    "foreignObject",
    "animate",
    "set",
}


def of_terminal(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)


def of_json(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    document = strict_json(text.encode())
    assert [one["message"] for one in document["findings"]] == [one.message for one in report.findings]
    again = parsing.rendered(load(text.encode(), "r"), "json")
    assert again == text or json.loads(again) == document


def of_jsonl(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    document = json.loads(parsing.rendered(report, "json"))
    assert parsing.jsonl(text) == document["findings"]


def of_csv(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    rows = parsing.csv_rows(text)
    assert [json.loads(row["differs"]) for row in rows] == [list(one.differs) for one in report.findings]


def of_junit(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    root = parsing.junit(text)
    green = all(case.find(name) is None for case in root.iter("testcase") for name in ("failure", "error"))
    assert report.complete or not green


def of_sarif(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    results = parsing.sarif(text)["results"]
    gone = report.summary.changes.gone_findings if report.summary.changes else ()
    assert len(results) == len(report.findings) + len(gone)


def of_prometheus(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    read = list(text_string_to_metric_families(text))
    assert {family.name for family in read} == set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert all(family.name.startswith("dedupaudit_") for family in read)


def of_markdown(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    inner = [one for token in tokens for one in token.children or ()]
    assert not {one.type for one in (*tokens, *inner)} & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "fence",
        "code_block",
    }
    assert not [one.content for one in inner if one.type == "text" and re.search(r"[@<>]|://|www\.", one.content)]
    for width, cells in _tables(tokens):
        assert cells % width == 0


def _tables(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Yield each table's number of columns, and of cells below its head."""
    heads = cells = 0
    for token in tokens:
        heads += token.type == "th_open"
        cells += token.type == "td_open"
        if token.type == "table_close":
            yield heads, cells
            heads = cells = 0


def elements(text: str) -> Iterator[tuple[str, ET.Element]]:
    root: ET.Element = html5lib.HTMLParser(strict=True).parse(text)
    for element in root.iter():
        if isinstance(element.tag, str):
            match = HTML_NAMES.fullmatch(element.tag)
            assert match, element.tag
            yield match[1], element


@cache
def _own() -> frozenset[tuple[str, str | None, frozenset[tuple[str, str]]]]:
    """Return what may act on a page: the program's own elements, as they stand in a harmless one."""
    page = parsing.rendered(golden_report(), "html")
    return frozenset(_acting(name, element) for name, element in elements(page) if name in ACTIVE)


def _acting(name: str, element: ET.Element) -> tuple[str, str | None, frozenset[tuple[str, str]]]:
    return name, element.text, frozenset(element.attrib.items())


def of_html(report: Report, text: str) -> None:
    assert not parsing.dangerous(text)
    for name, element in elements(text):
        assert name not in ACTIVE or _acting(name, element) in _own(), name
        for attribute, value in element.attrib.items():
            assert not attribute.lower().startswith("on"), (name, attribute)
            if name not in ACTIVE and attribute.rpartition("}")[2] in LEADING:
                assert value.startswith("#"), (name, attribute, value)


CHECKERS: dict[str, Callable[[Report, str], None]] = {
    "terminal": of_terminal,
    "json": of_json,
    "jsonl": of_jsonl,
    "csv": of_csv,
    "html": of_html,
    "markdown": of_markdown,
    "junit": of_junit,
    "sarif": of_sarif,
    "prometheus": of_prometheus,
}


def test_every_format_has_its_strict_reader() -> None:
    assert list(CHECKERS) == list(FORMATS)


@pytest.mark.parametrize("form", FORMATS)
def test_one_report_with_every_hostile_text_in_every_place(form: str) -> None:
    report = hostile.hostile_report()
    text = parsing.rendered(report, form)
    CHECKERS[form](report, text)
    assert parsing.rendered(report, form) == text
    CHECKERS[form](report, parsing.in_ascii(report, form))


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "html"])
@settings(max_examples=40)
@given(report=hostile.reports)
def test_any_report(form: str, report: Report) -> None:
    CHECKERS[form](report, parsing.rendered(report, form))


@settings(max_examples=12)
@given(report=hostile.reports)
def test_any_page(report: Report) -> None:
    of_html(report, parsing.rendered(report, "html"))


@given(report=hostile.reports)
def test_any_report_at_any_width_of_a_terminal(report: Report) -> None:
    for style in (Style(width=80), Style(width=40, unicode=False)):
        of_terminal(report, parsing.rendered(report, "terminal", style))


def test_a_value_is_found_again_as_text_of_the_page() -> None:
    for text in (one for one in hostile.TEXTS if one.strip() and len(one) < 100):
        report = samples.report([samples.duplicate(key={"activity_id": text}, message=text)])
        page = parsing.rendered(report, "html")
        said = "".join(one.text or "" for name, one in elements(page) if name not in ("script", "style"))
        assert visible(text).strip('"') in said
