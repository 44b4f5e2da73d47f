"""`-f json`: the report exactly as the model has it, written plainly, so that a program can rely on every byte."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.display import json_safe
from dedupaudit.model import Finding, Report
from dedupaudit.reports import Style
from dedupaudit.reports.streams import is_utf8

_NONE = '\n  "findings": []'
"""Inside a string no line ends, and what is nested is indented deeper: nothing else in the document reads so."""


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report as one JSON document and a newline; NaN and infinity are null."""
    # A stream that is not UTF-8 gets the same document in ASCII: no reader can get its characters wrong.
    ascii_only = not is_utf8(out)
    around = report.model_copy(update={"findings": ()})
    text = around.model_dump_json(by_alias=True, indent=2, ensure_ascii=ascii_only)
    before, _, after = json_safe(text).partition(_NONE)
    out.write(before)
    separator, end = '\n  "findings": [\n    ', _NONE
    to_json = Finding.__pydantic_serializer__.to_json
    for finding in report.findings:
        part = to_json(finding, by_alias=True, indent=2, ensure_ascii=ascii_only).decode()
        out.write(separator + json_safe(part).replace("\n", "\n    "))
        separator, end = ",\n    ", "\n  ]"
    out.write(f"{end}{after}\n")
