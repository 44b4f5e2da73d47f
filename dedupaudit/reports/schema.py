"""The JSON Schema of the report, made from the models: what `schema report` prints and tests hold reports against."""

from __future__ import annotations

from typing import Any

from dedupaudit.model import Report


def report_schema() -> dict[str, Any]:
    """Return the schema of what `-f json` writes (Draft 2020-12). Fields that it does not name are allowed."""
    schema = Report.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "dedupaudit report, version 1",
        # It has a default, and yet it is what makes a document a report.
        "required": ["schema", *schema["required"]],
    }
