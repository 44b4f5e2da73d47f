"""`schema report`, `schema plan`, `schema config`: JSON Schemas that are valid, and that the real files pass."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tests.cli.reading import report_of, strict_json
from tests.conftest import Run

DRAFT = "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("what", ["report", "plan", "config"])
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


def test_the_plan_schema_takes_every_line_of_a_plan_and_refuses_a_broken_one(
    run: Run, incident: Path, tmp_path: Path
) -> None:
    validator = Draft202012Validator(strict_json(run("schema", "plan").out))
    configuration = ("--config", incident / "dedupaudit.toml")
    for table in ("activities", "screenshots", "processes"):
        done = run("repair", "plan", table, "--max-delete", "50%", "-o", "-", "-q", *configuration)
        lines = [strict_json(line) for line in done.out.splitlines()]
        assert [lines[0]["type"], lines[-1]["type"]] == ["header", "end"]
        for line in lines:
            validator.validate(line)
        for line in (lines[0], lines[-1], next(line for line in lines if line["type"] == "group")):
            for field in line:
                assert not validator.is_valid({name: value for name, value in line.items() if name != field})


def test_the_plan_schema_takes_every_line_of_a_migrations_plan_and_refuses_a_broken_one(
    run: Run, unprotected: Path
) -> None:
    validator = Draft202012Validator(strict_json(run("schema", "plan").out))
    done = run("migrate", "plan", "activities", "-o", "-", "-q", "--db", f"sqlite:///{unprotected}")
    lines = [strict_json(line) for line in done.out.splitlines()]
    assert [line["type"] for line in lines] == ["header", *["step"] * (len(lines) - 2), "end"]
    for line in lines:
        validator.validate(line)
        for field in line:
            assert not validator.is_valid({name: value for name, value in line.items() if name != field})
    assert not validator.is_valid({**lines[0], "kind": "repair"})
