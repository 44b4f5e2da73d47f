"""`schema report` and `schema config`: JSON Schemas that are valid, and that the real files pass."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.cli.reading import report_of, strict_json
from tests.conftest import Run

DRAFT = "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("what", ["report", "config"])
def test_it_is_a_valid_schema_of_draft_2020_12(run: Run, what: str) -> None:
    done = run("schema", what)
    schema = strict_json(done.out)
    assert done.code == 0
    assert schema["$schema"] == DRAFT
    Draft202012Validator.check_schema(schema)


def test_the_printed_schema_takes_a_report_and_refuses_a_broken_one(run: Run, incident: Path) -> None:
    validator = Draft202012Validator(strict_json(run("schema", "report").out))
    report = report_of(run("scan", "--config", incident / "dedupaudit.toml", "-f", "json"))
    validator.validate(report)
    for field in ("schema", "complete", "coverage", "summary", "findings", "truncated"):
        with pytest.raises(ValidationError):
            validator.validate({name: value for name, value in report.items() if name != field})
    with pytest.raises(ValidationError):
        validator.validate({**report, "complete": "yes"})


def test_the_configuration_schema_takes_the_demos_and_refuses_a_slip(run: Run, incident: Path) -> None:
    validator = Draft202012Validator(strict_json(run("schema", "config").out))
    configuration = tomllib.loads((incident / "dedupaudit.toml").read_text(encoding="utf-8"))
    validator.validate(configuration)
    with pytest.raises(ValidationError):
        validator.validate({**configuration, "tabels": {}})
