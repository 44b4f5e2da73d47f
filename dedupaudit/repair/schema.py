"""The JSON Schema of a plan's lines: of a repair's, and of a migration's."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from dedupaudit.migrate.plan import MigrateHeader, Step
from dedupaudit.repair.plan import End, Group, Header

_AnyHeader = Annotated[Header | MigrateHeader, Field(discriminator="kind")]
_PlanLine = Annotated[_AnyHeader | Group | Step | End, Field(discriminator="type")]


def plan_schema() -> dict[str, Any]:
    """Return the schema of one line of a plan file: a header, a group or a step, or the end."""
    schema = TypeAdapter[Any](_PlanLine).json_schema(by_alias=True)
    for part in schema["$defs"].values():
        if "properties" in part:
            # As it is written: every field is there, also one that could be left out when it is read.
            part["required"] = list(part["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A line of a dedupaudit plan", **schema}
