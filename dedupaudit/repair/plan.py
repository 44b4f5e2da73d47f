"""A repair plan, line by line: exactly what the plan file holds, and what `schema plan` describes."""

from __future__ import annotations

import base64
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from dedupaudit.model import Confidence, RowClass
from dedupaudit.sources.tables.catalog import Catalog
from dedupaudit.sources.tables.protocol import Undecodable, Value

PLAN_SCHEMA: Final = "dedupaudit.plan/1"

LEFT = {
    "conflicting": "its rows differ, and no policy was named",
    "id_collision": "its rows are different events under one ID: keep all, and widen the key",
    "blank key": "its key is blank: such rows are never merged",
    "unnamed": "a row has NULL in its primary key, and could not be found again",
}
"""Why a group is left as it is, in words for people."""

PlanValue = int | str | dict[Literal["base64", "undecodable", "float"], str] | None
"""A value in a plan: text and integers as they are, bytes and all else by how they are written."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Limit(_Line):
    """How much a plan may remove at most."""

    rows: int | None = None
    percent: float | None = Field(default=None, description="of all rows of the table")

    def allows(self, removed: int, rows: int) -> bool:
        """Say whether so many of the table's rows may go."""
        return (self.rows is None or removed <= self.rows) and (
            self.percent is None or removed * 100 <= self.percent * rows
        )

    def shown(self) -> str:
        """Return the limit for people."""
        parts = [f"{self.rows:,} row{'' if self.rows == 1 else 's'}" if self.rows is not None else ""]
        parts.append(f"{self.percent:g} % of the table" if self.percent is not None else "")
        return " and ".join(filter(None, parts))


class ColumnShape(_Line):
    """A column as it was when the plan was made: a table that has others since is not the planned one."""

    name: str
    declared: str
    collation: str = ""


class Totals(_Line):
    """What a plan comes to."""

    rows: int = Field(description="rows of the table when it was looked at")
    groups: int = Field(description="keys that occur more than once")
    repaired: int = Field(description="groups of which one row stays and the rest goes")
    removed: int = Field(description="rows that go")
    merged: int = Field(description="groups whose survivor takes values of the others")
    rules: dict[str, int] = Field(
        default_factory=dict, description="groups that are repaired, by what chose the survivor"
    )
    left: dict[str, int] = Field(default_factory=dict, description="groups that are left as they are, by why")
    causes: dict[str, int] = Field(default_factory=dict, description="all groups, by cause")


class PlanHeader(_Line):
    """The first line of every plan: what it is for."""

    type: Literal["header"] = "header"
    schema_: Literal["dedupaudit.plan/1"] = Field(default=PLAN_SCHEMA, alias="schema")
    kind: str
    database: dict[str, str] = Field(description="what tells the database from every other; no URL")
    table: str = Field(description="the table's configured name: what --confirm takes")
    created_at: str = Field(description="by the database's clock, UTC")
    tool: str = Field(default="", description="the version that made it")
    source: str = Field(default="db", description="the database's name in reports")
    real: str = Field(description="the table in the database's SQL")
    key: tuple[str, ...] = Field(description="the columns that must be unique")
    primary_key: tuple[str, ...] = Field(description="what names a row; empty: rows are found by key and hash")
    columns: tuple[ColumnShape, ...]


class Header(PlanHeader):
    """The header of a repair's plan."""

    kind: Literal["repair"] = "repair"
    max_delete: Limit
    on_conflict: str | None = None
    totals: Totals


class PlannedRow(_Line):
    """One row: its primary key (null where the table has none), and a hash of all its columns."""

    pk: dict[str, PlanValue] | None = None
    hash: str


class Merge(_Line):
    """A column of the survivor that takes the value of a victim, by a named rule."""

    column: str
    rule: Literal["max", "known", "object"] = Field(
        description="max: the greatest; known: what the survivor lacks; object: of the row whose object exists"
    )
    victim: int = Field(ge=0, description="which of `victims`, from 0")


class PlanCause(_Line):
    """Why the duplicate exists."""

    name: str
    confidence: Confidence


class Group(_Line):
    """One key: the row that stays, the rows that go, and why; or why all are left."""

    type: Literal["group"] = "group"
    key: dict[str, PlanValue]
    row_class: RowClass = Field(alias="class")
    cause: PlanCause | None = None
    rows: int = Field(description="rows of the key when it was looked at")
    rule: str = Field(default="", description="what chose the survivor")
    survivor: PlannedRow | None = None
    victims: tuple[PlannedRow, ...] = ()
    merge: tuple[Merge, ...] = ()
    left: str | None = Field(default=None, description="why nothing is done; null where something is")


class End(_Line):
    """The last line: how many lines of groups there are, and what they hash to with the header."""

    type: Literal["end"] = "end"
    count: int
    sha256: str


def plan_value(value: Value) -> PlanValue:
    """Return a database's value as a plan has it."""
    match value:
        case bytes():
            return {"base64": base64.b64encode(value).decode("ascii")}
        case Undecodable():
            return {"undecodable": base64.b64encode(value.raw).decode("ascii")}
        case float():
            return {"float": repr(value)}
        case _:
            return value


def database_value(value: PlanValue) -> Value:
    """Return a plan's value as the database's; raises ValueError for what `plan_value` never writes."""
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    if kind == "float":
        return float(text)
    raw = base64.b64decode(text, validate=True)
    return raw if kind == "base64" else Undecodable(raw)


def shape_of(catalog: Catalog) -> tuple[ColumnShape, ...]:
    """Return a table's columns as a plan holds them."""
    return tuple(
        ColumnShape(name=column.name, declared=column.declared, collation=column.collation)
        for column in catalog.columns
    )
