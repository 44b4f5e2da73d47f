"""`-f json`: the report exactly as the model has it, written plainly, so that a program can rely on every byte."""

from __future__ import annotations

from typing import TextIO

from dedupaudit.display import json_safe
from dedupaudit.model import Report
from dedupaudit.reports import Style


def render(report: Report, out: TextIO, style: Style) -> None:
    """Write the report as one JSON document and a newline; NaN and infinity are null."""
    # A stream that is not UTF-8 gets the same document in ASCII: no reader can get its characters wrong.
    encoding = (getattr(out, "encoding", None) or "utf-8").lower().replace("-", "").replace("_", "")
    text = report.model_dump_json(by_alias=True, indent=2, ensure_ascii=encoding != "utf8")
    out.write(json_safe(text) + "\n")
