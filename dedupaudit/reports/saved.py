"""Reads a report that `-f json` wrote, or says in one sentence why it is none."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

from dedupaudit.display import visible
from dedupaudit.errors import UsageError
from dedupaudit.model import REPORT_SCHEMA, Report

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MADE_BY = "a report is made by `dedupaudit scan -f json -o FILE`"
_KIND = re.compile(r"dedupaudit\.report/([0-9]{1,9})")
_SHOWN_ERRORS = 3


def load(text: bytes, name: str) -> Report:
    """Return the saved report in `text`; `name` is the file's name, for messages. Raises UsageError.

    Fields that a newer minor version added are kept.
    """
    from pydantic import ValidationError

    shown = visible(name)
    if whole := _in_parts(text):
        return whole
    document = _decoded(text, shown)
    _check_kind(_parsed(document, shown), shown)
    try:
        return Report.model_validate_json(document, strict=True)
    except ValidationError as error:
        raise _wrong_fields(error, shown) from None


def _in_parts(text: bytes) -> Report | None:
    """Return the report with its findings as SavedFindings; None where it has to be read at once, or is damaged."""
    from dedupaudit.reports.saved_findings import cut

    if not (parts := cut(text)):
        return None
    rest, findings = parts
    try:
        json.loads(rest, parse_constant=_refuse)
        return Report.model_validate_json(rest, strict=True).model_copy(update={"findings": findings})
    except ValueError:
        return None


def _decoded(text: bytes, shown: str) -> str:
    """Return the text without its byte order mark; PowerShell's `>` writes UTF-16."""
    try:
        return text.decode(json.detect_encoding(text)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not text: byte {error.start + 1:,} is not {error.encoding}", _MADE_BY) from None


def _parsed(document: str, shown: str) -> object:
    if not document.strip():
        raise UsageError(f"{shown} is empty", f"the run that should have written it did not get that far; {_MADE_BY}")
    try:
        return json.loads(document, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        if error.msg == "Extra data":
            raise UsageError(
                f"{shown} holds more than one JSON document: the second begins at {where}",
                f"a --findings file is not a report; {_MADE_BY}",
            ) from None
        raise UsageError(f"{shown} is not JSON: {error.msg} at {where}", f"it may be cut short; {_MADE_BY}") from None
    except RecursionError:
        raise UsageError(f"{shown} is nested too deeply to be a report", _MADE_BY) from None
    except ValueError as error:
        raise UsageError(f"{shown} is not a report: {visible(str(error))}", _MADE_BY) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def _check_kind(document: object, shown: str) -> None:
    kind = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(kind, str):
        raise UsageError(f"{shown} is JSON, but not a dedupaudit report", _MADE_BY)
    if kind == REPORT_SCHEMA:
        return
    match = _KIND.fullmatch(kind)
    if match is None or not int(match[1]):
        raise UsageError(f"{shown} is {visible(kind)}, not a dedupaudit report", _MADE_BY)
    tool = document.get("tool")
    version = tool.get("version") if isinstance(tool, dict) else None
    by = f" ({visible(version)})" if isinstance(version, str) else ""
    raise UsageError(
        f"{shown} was written by a newer dedupaudit{by}: it is {visible(kind)}, and this one reads {REPORT_SCHEMA}",
        "render it with the version that wrote it, or upgrade",
    )


def _wrong_fields(error: ValidationError, shown: str) -> UsageError:
    problems: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        # A key's value may be one of several types, and each of them complains: one complaint is enough.
        problems.setdefault(_path(detail), detail["msg"])
    told = [f"{path}: {visible(message)}" for path, message in list(problems.items())[:_SHOWN_ERRORS]]
    if len(problems) > _SHOWN_ERRORS:
        told.append(f"and {len(problems) - _SHOWN_ERRORS:,} more")
    return UsageError(
        f"{shown} is a damaged dedupaudit report: {'; '.join(told)}", f"it was changed by hand? {_MADE_BY}"
    )


def _path(detail: ErrorDetails) -> str:
    """Return where the field is, as jq would take it: `findings[3].count`."""
    parts = list(detail["loc"])
    if len(parts) > 1 and parts[-1] in ("str", "int", "Base64"):
        parts.pop()
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{visible(part)}" for part in parts)
    return path.removeprefix(".") or "the document"
