"""`-f json`: what a strict parser reads, what the schema says, and what comes back from a file."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dedupaudit.model import Report
from dedupaudit.reports import FORMATS, Style
from dedupaudit.reports.saved import load
from dedupaudit.reports.schema import report_schema
from tests.reports import samples

SAMPLES = {
    make.__name__: make
    for make in (
        samples.clean,
        samples.looked_up,
        samples.damaged,
        samples.incomplete,
        samples.hostile,
        samples.large,
        samples.several_databases,
        samples.crosschecked,
        samples.distrusted,
    )
}


def rendered(report: Report) -> str:
    out = io.StringIO()
    FORMATS["json"](report, out, Style())
    return out.getvalue()


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_saved_report_is_rendered_again_byte_for_byte(name: str) -> None:
    first = rendered(SAMPLES[name]())
    assert rendered(load(first.encode(), "report.json")) == first


@pytest.mark.parametrize("name", SAMPLES)
def test_every_report_is_what_the_schema_says(name: str) -> None:
    Draft202012Validator(report_schema()).validate(json.loads(rendered(SAMPLES[name]())))


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "dedupaudit.report/2"),
        (["findings", 0, "severity"], "dreadful"),
        (["findings", 0, "count"], "three"),
        (["findings", 0, "class"], "odd"),
        (["summary", "by_severity"], {"dreadful": 1}),
        (["coverage", 0, "status"], None),
    ],
)
def test_the_schema_refuses_a_broken_report(path: list[str | int], value: object) -> None:
    document = json.loads(rendered(samples.damaged()))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not Draft202012Validator(report_schema()).is_valid(document)


def test_a_report_without_its_findings_is_refused_by_the_schema() -> None:
    document = json.loads(rendered(samples.clean()))
    del document["findings"]
    assert not Draft202012Validator(report_schema()).is_valid(document)


def test_hostile_text_survives_and_reaches_no_terminal() -> None:
    text = rendered(samples.hostile())
    document = json.loads(text, parse_constant=refuse)
    assert [one["message"] for one in document["findings"][: len(samples.HOSTILE)]] == list(samples.HOSTILE)
    assert text.endswith("}\n")
    assert not set(text) & {chr(code) for code in [*range(10), *range(11, 32), *range(0x7F, 0xA0), 0x202E, 0x2028]}


def test_a_stream_that_is_not_utf8_gets_the_same_document() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="latin-1")
    report = samples.hostile()
    FORMATS["json"](report, out, Style())
    out.flush()
    assert json.loads(raw.getvalue()) == json.loads(rendered(report))


def test_no_number_is_nan() -> None:
    finding = samples.damaged().findings[0].model_copy(update={"gap_seconds": float("nan")})
    report = samples.clean().model_copy(update={"findings": (finding,)})
    assert json.loads(rendered(report), parse_constant=refuse)["findings"][0]["gap_seconds"] is None


def test_the_order_of_formats_is_the_one_that_is_documented() -> None:
    documented = ["terminal", "json", "jsonl", "csv", "html", "markdown", "junit", "sarif", "prometheus"]
    assert list(FORMATS) == documented
