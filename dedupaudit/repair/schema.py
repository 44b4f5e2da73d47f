"""The JSON Schema of a plan's lines."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from dedupaudit.repair.plan import PlanLine


def plan_schema() -> dict[str, Any]:
    """Return the schema of one line of a plan file: a header, a group, or the end."""
    schema = TypeAdapter(PlanLine).json_schema(by_alias=True)
    for part in schema["$defs"].values():
        if "properties" in part:
            # As it is written: every field is there, also one that could be left out when it is read.
            part["required"] = list(part["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A line of a dedupaudit plan", **schema}
