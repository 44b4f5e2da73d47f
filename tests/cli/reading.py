"""Reads what the program wrote as strictly as another program would; every report in these tests goes through here."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from typing import Any, NoReturn

from jsonschema import Draft202012Validator

from dedupaudit.reports.schema import report_schema
from tests.conftest import Completed

SGR = re.compile(r"\x1b\[[0-9;]*m")


@cache
def validator() -> Draft202012Validator:
    schema = report_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs), f"a name occurs twice: {pairs}"
    return dict(pairs)


def strict_json(text: bytes) -> Any:
    """Return one JSON document in UTF-8: no NaN, no name twice, nothing before or after it."""
    return json.loads(text.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_once)


def valid_report(text: bytes) -> dict[str, Any]:
    """Return a report that the program's own schema accepts and whose totals agree with each other."""
    report: dict[str, Any] = strict_json(text)
    validator().validate(report)
    summary = report["summary"]
    assert summary["findings"] == sum(summary["by_check"].values()) == sum(summary["by_severity"].values())
    assert report["truncated"] == (len(report["findings"]) < summary["findings"])
    if any(row["status"] in ("failed", "stopped") for row in report["coverage"]):
        assert not report["complete"]
    return report


def report_of(done: Completed) -> dict[str, Any]:
    """Return the report on stdout of a run with `-f json`."""
    assert done.out, f"no report (exit {done.code}): {done.err.decode(errors='replace')}"
    return valid_report(done.out)


def statuses(report: dict[str, Any]) -> dict[str, str]:
    """Return what became of each check, as `source.target.check`."""
    return {f"{row['source']}.{row['target']}.{row['check']}": row["status"] for row in report["coverage"]}


def dangerous(text: str, *, colour: bool = False) -> list[str]:
    """Return the characters that a terminal would obey or not show; with `colour`, SGR sequences are the program's."""
    rest = SGR.sub("", text) if colour else text
    return [char for char in rest if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def said(done: Completed) -> str:
    """Return stderr as text, having seen that it is plain: UTF-8, no control character, no traceback."""
    text = done.err.decode("utf-8")
    assert not dangerous(text)
    assert "Traceback" not in text
    return text
